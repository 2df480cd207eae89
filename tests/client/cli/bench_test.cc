// What `gild bench` says of its figures, and what it makes of its options.
#include <gmock/gmock.h>
#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "absl/strings/str_split.h"
#include "client/cli/bench_command.h"
#include "client/cli/bench_report.h"

namespace gild::cli {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr double kMs = 1e6;
constexpr int64_t kSecond = bench::kNsPerSecond;

BenchReport Closed() {
  BenchReport report;
  report.gild_version = "0.1.0";
  report.python_version = "3.11.2";
  report.workload = "noop";
  report.next = "gild stats --watch";
  report.client_cores = 2;
  bench::Figures& figures = report.figures;
  figures.length_ns = 10 * kSecond;
  figures.sent = 213042;
  figures.endings = {{v1::SUCCEEDED, 213042}};
  figures.lanes = {{v1::CPU_LANE, 213042}};
  figures.rate = 21304.2;
  figures.latency = {3.0 * kMs, 2'900'000, 3'500'000, 5'000'000, 9'000'000, 12'300'000};
  figures.split.network_ns = 1.0 * kMs;
  figures.split.queue_ns = 1.5 * kMs;
  figures.split.dispatch_ns = 0.1 * kMs;
  figures.split.run_ns = 0.4 * kMs;
  figures.split.wait_ns = 0;
  figures.split.hold_ns = 0.3 * kMs;
  figures.split.off_lock_ns = 0.1 * kMs;
  figures.steadiness = bench::Steadiness{.tasks = {71000, 71000, 71042}, .rate_spread = 0.04, .p99_spread = 0.07};
  figures.cpu = bench::ClientCpu{5 * kSecond, 3 * kSecond};
  return report;
}

BenchReport Open() {
  BenchReport report = Closed();
  report.load.rate = 400;
  report.load.seed = 7;
  report.load.outstanding = 1024;
  bench::Figures& figures = report.figures;
  figures.rate = 399.6;
  figures.planned = figures.sent = 4000;
  figures.endings = {{v1::SUCCEEDED, 4000}};
  figures.late = 2;
  figures.late_max_ns = 1'100'000;
  figures.split.client_lag_ns = 0.2 * kMs;
  figures.split.network_ns = 0.8 * kMs;
  return report;
}

TEST(BenchTextTest, ClosedLoop) {
  EXPECT_EQ(BenchText(Closed()), R"(gild bench  unary   noop   CPU lane   closed loop, 64 outstanding
rate 21,304/s   10.0s + 1.00s warm-up   213,042 sent
SUCCEEDED 213,042   other endings 0   refused 0

LATENCY (from the send)      p50      p90      p99    p99.9      max
noop                       2.9ms    3.5ms    5.0ms    9.0ms   12.3ms

WHERE THE MEAN WENT (3.0ms)
network + gRPC    1.0ms  33% |#############
queue             1.5ms  50% |####################
dispatch         0.10ms   3% |#
lock wait           0ms   0% |
lock hold        0.30ms  10% |####
off the lock     0.10ms   3% |#
stable: 3 windows within 4% (rate), 7% (p99)
client used 50% of a core, its busiest thread 30%
network + gRPC: what the server does not see, its gRPC included. queue: accepted
to handed over. dispatch: to the task's first line. lock wait, hold: wanting and
having the interpreter's lock, exact. off the lock: the rest of its run. stable:
10% (rate) and 25% (p99) at most.
next: gild stats --watch
)");
}

TEST(BenchTextTest, OpenLoop) {
  const std::string text = BenchText(Open());
  EXPECT_THAT(text, testing::StartsWith(R"(gild bench  unary   noop   CPU lane   open loop, Poisson, seed 7
rate 399.6/s of 400.0/s planned   10.0s + 1.00s warm-up   4,000 of 4,000 sent
SUCCEEDED 4,000   other endings 0   refused 0   late sends 0.05% (max 1.1ms)

LATENCY (from the planned moment)      p50)"));
  EXPECT_THAT(text, HasSubstr("\nclient lag       0.20ms   7% |###\nnetwork + gRPC   0.80ms  27% |"));
}

TEST(BenchTextTest, EitherLoopFitsAScreen) {
  for (const BenchReport& report : {Closed(), Open()}) {
    const std::string text = BenchText(report);
    EXPECT_LE(std::count(text.begin(), text.end(), '\n'), 23) << "24 rows, and the prompt has one";
  }
}

TEST(BenchTextTest, EveryLineFitsATerminal) {
  BenchReport report = Open();
  report.load.mode = bench::Mode::kBatched;
  report.load.batch = 1024;
  report.load.connections = 64;
  report.workload = "a/rather/long/way/to/a/file.py: function_of_it";
  report.figures.refused = {{"QUEUE_FULL", 12345}, {"REPLIES_UNREAD", 1}};
  report.figures.endings[v1::RAISED] = 3;
  report.figures.unanswered = 64;
  report.figures.unsent = 9;
  report.figures.interrupted = report.figures.full = true;
  report.figures.cpu->busiest_ns = report.figures.length_ns;
  report.figures.first_other.emplace().set_ending(v1::RAISED);
  report.figures.first_other->mutable_error()->set_message(std::string(50, 'x') + "\n\033[1m" + std::string(50, 'y'));
  for (const absl::string_view line : absl::StrSplit(BenchText(report), '\n')) {
    EXPECT_LE(line.size(), 80u) << line;
    EXPECT_EQ(line.find('\033'), absl::string_view::npos) << line;
  }
}

TEST(BenchTextTest, WhatWentWrongIsTold) {
  BenchReport report = Open();
  report.figures.endings = {{v1::SUCCEEDED, 3000}, {v1::RAISED, 900}, {v1::EXPIRED, 10}};
  report.figures.refused = {{"QUEUE_FULL", 80}};
  report.figures.unanswered = 10;
  report.figures.unsent = 500;
  report.figures.interrupted = true;
  report.figures.steadiness->p99_spread = 0.6;
  report.figures.first_other.emplace().set_ending(v1::RAISED);
  report.figures.first_other->mutable_error()->set_type("ValueError");
  report.figures.first_other->mutable_error()->set_message("no");
  const std::string text = BenchText(report);
  EXPECT_THAT(text, HasSubstr("SUCCEEDED 3,000   other endings 910 (RAISED 900, EXPIRED 10)\n"
                              "refused 80 (QUEUE_FULL 80)   unanswered 10   late sends"));
  EXPECT_THAT(text, HasSubstr("WARNING 500 planned tasks were not sent"));
  EXPECT_THAT(text, HasSubstr("WARNING interrupted"));
  EXPECT_THAT(text, HasSubstr("RAISED, ValueError: no"));
  EXPECT_THAT(text, HasSubstr("UNSTABLE: 3 windows differ by 4% (rate), 60% (p99)"));
}

TEST(BenchTextTest, WhatIsNotKnownIsNotZero) {
  BenchReport report = Closed();
  report.figures.split.wait_ns = report.figures.split.hold_ns = report.figures.split.off_lock_ns = std::nullopt;
  report.figures.cpu = std::nullopt;
  report.figures.steadiness = std::nullopt;
  std::string text = BenchText(report);
  EXPECT_THAT(text,
              HasSubstr("\nrun              0.40ms  13% |#####\nlock wait           n/a\nlock hold           n/a\n"));
  EXPECT_THAT(text, HasSubstr("client's processor time n/a"));
  EXPECT_THAT(text, HasSubstr("stability unknown"));
  report.figures.endings.clear();
  text = BenchText(report);
  EXPECT_THAT(text, Not(HasSubstr("\nLATENCY")));
  EXPECT_THAT(BenchJson(report), HasSubstr("\"latency_seconds\":null"));
}

TEST(BenchTextTest, AClientThatMeasuresItselfIsWarnedOf) {
  BenchReport report = Closed();
  EXPECT_FALSE(ClientSaturated(report));
  report.figures.cpu->busiest_ns = report.figures.length_ns * 91 / 100;
  EXPECT_TRUE(ClientSaturated(report));
  EXPECT_THAT(BenchText(report), HasSubstr("WARNING client saturated"));
  report.figures.cpu = bench::ClientCpu{.all_ns = report.figures.length_ns * 19 / 10, .busiest_ns = 1};
  EXPECT_TRUE(ClientSaturated(report)) << "all of its cores";
}

TEST(BenchJsonTest, SaysEveryFigure) {
  BenchReport report = Open();
  report.figures.refused = {{"QUEUE_FULL", 5}};
  google::protobuf::Struct json;
  ASSERT_TRUE(google::protobuf::util::JsonStringToMessage(BenchJson(report), &json).ok()) << BenchJson(report);
  const auto& fields = json.fields();
  EXPECT_EQ(fields.at("mode").string_value(), "unary");
  EXPECT_EQ(fields.at("loop").string_value(), "open");
  EXPECT_EQ(fields.at("spacing").string_value(), "poisson");
  EXPECT_EQ(fields.at("seed").number_value(), 7);
  EXPECT_EQ(fields.at("rate_planned").number_value(), 400);
  EXPECT_EQ(fields.at("rate").number_value(), 399.6);
  EXPECT_EQ(fields.at("seconds").number_value(), 10);
  EXPECT_EQ(fields.at("planned").number_value(), 4000);
  EXPECT_EQ(fields.at("endings").struct_value().fields().at("SUCCEEDED").number_value(), 4000);
  EXPECT_EQ(fields.at("refused").struct_value().fields().at("QUEUE_FULL").number_value(), 5);
  EXPECT_EQ(fields.at("latency_seconds").struct_value().fields().at("p99.9").number_value(), 0.009);
  EXPECT_EQ(fields.at("mean_split_seconds").struct_value().fields().at("lock_hold").number_value(), 0.0003);
  EXPECT_TRUE(fields.at("steadiness").struct_value().fields().at("stable").bool_value());
  EXPECT_FALSE(fields.at("client_cpu").struct_value().fields().at("saturated").bool_value());
}

// ---- MakeLoad ----

bench::LoadOptions Good(const BenchOptions& options) {
  bench::LoadOptions load;
  Explanation complaint;
  EXPECT_TRUE(MakeLoad(options, "a:1", &load, &complaint)) << complaint.cause;
  return load;
}

std::string Complaint(const BenchOptions& options) {
  bench::LoadOptions load;
  Explanation complaint;
  EXPECT_FALSE(MakeLoad(options, "a:1", &load, &complaint));
  return complaint.cause;
}

TEST(MakeLoadTest, WhatIsNotSaidFitsTheMode) {
  BenchOptions options;
  EXPECT_EQ(Good(options).outstanding, 64u);
  options.connections = 64;
  options.mode = bench::Mode::kStream;
  EXPECT_EQ(Good(options).outstanding, 256u);
  options.mode = bench::Mode::kBatched;
  EXPECT_EQ(Good(options).outstanding, 64 * 64u) << "a batch for each connection";
  EXPECT_EQ(Good(options).batch, 64u);
  options.connections = 1;
  options.batch = 10;
  EXPECT_EQ(Good(options).outstanding, 40u);
  options.rate = 5;
  EXPECT_EQ(Good(options).outstanding, 1024u);
  EXPECT_EQ(Good(options).length_ns, 10 * kSecond);
  EXPECT_EQ(Good(options).warm_up_ns, kSecond);
  EXPECT_FALSE(Good(options).task_count.has_value());
}

TEST(MakeLoadTest, WhatDoesNotGoTogetherIsNamed) {
  BenchOptions options;
  options.batch = 8;
  EXPECT_EQ(Complaint(options), "--batch needs --mode batched");
  options.mode = bench::Mode::kBatched;
  options.outstanding = 7;
  EXPECT_EQ(Complaint(options), "--outstanding 7 is less than 8, a batch for each connection");
  options = {};
  options.connections = 4;
  options.outstanding = 3;
  EXPECT_EQ(Complaint(options), "--outstanding 3 is less than 4, one for each connection");
  options = {};
  options.tasks = 5;
  options.duration = absl::Seconds(1);
  EXPECT_EQ(Complaint(options), "give --duration or --tasks, not both");
  options = {};
  options.seed = 1;
  EXPECT_EQ(Complaint(options), "--seed needs --rate");
  options.spacing = bench::Spacing::kEven;
  EXPECT_EQ(Complaint(options), "--spacing needs --rate");
  options = {};
  options.entry = "f";
  EXPECT_EQ(Complaint(options), "--entry goes with FILE, not with noop");
}

}  // namespace
}  // namespace gild::cli
