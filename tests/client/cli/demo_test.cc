// The demo: what it says follows from its figures, what it checks is checked, and its slow server is slow.
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/synchronization/mutex.h"
#include "client/cli/demo_report.h"
#include "client/cli/demo_run.h"
#include "client/cli/demo_workload.h"
#include "client/cli/slow_http.h"
#include "client/cli/table.h"
#include "client/cpp/durations.h"
#include "tests/client/fake_server.h"

namespace gild::cli {
namespace {

using testing::ElementsAre;

LaneFigures Lane(v1::Lane lane, absl::Duration wall, double wait_share) {
  LaneFigures figures;
  figures.lane = lane;
  figures.tasks = 100;
  figures.wall = wall;
  figures.run = absl::Seconds(10);
  figures.wait = figures.run * wait_share;
  figures.hold = figures.run * (1 - wait_share);
  figures.longest_hold = absl::Milliseconds(5);
  figures.cores = {0.9, 0.1};
  figures.endings["SUCCEEDED"] = 100;
  return figures;
}

WorkloadFigures Lesson(const std::string& subject, absl::Duration io, double io_wait, absl::Duration cpu) {
  WorkloadFigures figures;
  figures.id = "lesson";
  figures.title = "resize 1000 images";
  figures.subject = subject;
  figures.baseline = absl::Seconds(8);
  figures.lanes = {Lane(v1::IO_LANE, io, io_wait), Lane(v1::CPU_LANE, cpu, 0)};
  return figures;
}

DemoReport Report() {
  DemoReport report;
  report.python_version = "3.11.2";
  report.cores = {0, 1};
  report.took = absl::Seconds(38);
  report.workloads = {Lesson("waiting for the network", absl::Milliseconds(126), 0.01, absl::Milliseconds(4000)),
                      Lesson("pure Python", absl::Milliseconds(8000), 0.87, absl::Milliseconds(4120))};
  return report;
}

DemoReport ReportOf(WorkloadFigures lesson) {
  DemoReport report;
  report.workloads = {std::move(lesson)};
  return report;
}

// The second lesson in threads that take no turns, too.
DemoReport ReportWithRuntime() {
  DemoReport report = Report();
  report.runtime = {
      .path = "/opt/free/python3", .implementation = "CPython", .version = "3.13.2", .free_threaded = true};
  report.workloads[1].runtime = {.tasks = 8,
                                 .threads = 8,
                                 .run = {.wall = absl::Milliseconds(5200), .lock = false},
                                 .alone = absl::Milliseconds(10140),
                                 .cores = {1, 1}};
  return report;
}

std::vector<std::string> Lines(const std::string& text) { return absl::StrSplit(text, '\n'); }

TEST(DemoReportTest, TheSummaryFollowsTheFigures) {
  EXPECT_EQ(
      DemoSummary(Report()),
      "Waiting for the network gained 63.5x from threads and 2.00x from processes; pure Python gained nothing from "
      "threads (87% of its time went to waiting for the lock) and 1.94x from processes. Here, then: the I/O lane "
      "for waiting for the network, the CPU lane for pure Python.");
}

TEST(DemoReportTest, ThreadsThatGainAreSaidToGain) {
  EXPECT_EQ(
      DemoSummary(ReportOf(Lesson("pure Python", absl::Seconds(2), 0, absl::Seconds(4)))),
      "Pure Python gained 4.00x from threads and 2.00x from processes. Here, then: the I/O lane for pure Python.");
}

TEST(DemoReportTest, ALossIsALoss) {
  EXPECT_EQ(DemoSummary(ReportOf(Lesson("pure Python", absl::Seconds(16), 0.9, absl::Seconds(8)))),
            "Pure Python lost with threads, at 0.50x (90% of its time went to waiting for the lock) and gained nothing "
            "from processes. Here, then: the CPU lane for pure Python.");
}

TEST(DemoReportTest, ATieHasNoBetterLane) {
  const WorkloadFigures tie = Lesson("pure Python", absl::Milliseconds(4000), 0, absl::Milliseconds(4100));
  EXPECT_EQ(tie.Best(), nullptr);
  EXPECT_EQ(DemoSummary(ReportOf(tie)), "Pure Python gained 2.00x from threads and 1.95x from processes.");
}

TEST(DemoReportTest, WithoutABaselineThereIsNoSpeedup) {
  WorkloadFigures lesson = Lesson("pure Python", absl::Seconds(8), 0.9, absl::Seconds(4));
  lesson.baseline.reset();
  EXPECT_EQ(DemoSummary(ReportOf(lesson)),
            "Pure Python took 8.00s with threads and 4.00s with processes. Here, then: the CPU lane for pure Python.");
}

TEST(DemoReportTest, TheTableFits80Columns) {
  DemoReport report = Report();
  for (const bool utf8 : {true, false}) {
    for (const std::string& line : Lines(DemoText(report, utf8))) EXPECT_LE(CharacterCount(line), 80u) << line;
  }
  const std::vector<std::string> lines = Lines(DemoText(report, true));
  EXPECT_EQ(lines[2], "WORKLOAD            LANE   WALL  TASKS/S  SPEEDUP  WAIT  HOLD  LONGEST  CORES");
  EXPECT_EQ(lines[3], "resize 1000 images  I/O   126ms      794   63.5x*    1%   99%    5.0ms  █ ▁");
  EXPECT_EQ(lines[4], "                    CPU   4.00s       25   2.00x     0%  100%    5.0ms  █ ▁");
}

TEST(DemoReportTest, ARuntimesRowStandsUnderItsWorkload) {
  DemoReport report = ReportWithRuntime();
  const std::vector<std::string> lines = Lines(DemoText(report, true));
  EXPECT_EQ(lines[7], "  3.13t, no lock    -     5.20s      1.5   1.95x    n/a   n/a      n/a  █ █");
  EXPECT_TRUE(absl::StrContains(
      DemoText(report, true),
      "\n3.13t: plain threads of /opt/free/python3, against one at a time there, without\na meter.\n"))
      << DemoText(report, true);
  EXPECT_TRUE(absl::StrContains(
      DemoSummary(report),
      "waiting for the lock), 1.94x from processes and 1.95x from threads of 3.13t. Here, then: the I/O lane"))
      << DemoSummary(report);
}

TEST(DemoReportTest, ALockIsSaidToBeThereAndTheUnknownIsNotGuessed) {
  DemoReport report = ReportWithRuntime();
  RuntimeRun& run = report.workloads[1].runtime->run;
  run.lock = true;
  EXPECT_TRUE(absl::StartsWith(Lines(DemoText(report, true))[7], "  3.13t, one lock   -  "));
  run.lock.reset();
  EXPECT_TRUE(absl::StartsWith(Lines(DemoText(report, true))[7], "  3.13t             -  "));
  EXPECT_TRUE(absl::StrContains(DemoJson(report), "\"lock\":null"));
}

TEST(DemoReportTest, WhatARuntimeCannotDoIsNotAvailableAndSaysWhy) {
  DemoReport report = ReportWithRuntime();
  report.workloads[1].runtime = {.tasks = 8, .threads = 8, .run = {.lock = true, .missing = "No module named 'numpy'"}};
  const std::string text = DemoText(report, true);
  EXPECT_EQ(Lines(text)[7], "  3.13t, one lock   -       n/a      n/a     n/a    n/a   n/a      n/a  n/a");
  EXPECT_TRUE(
      absl::StrContains(absl::StrJoin(Lines(text), " "), "It cannot do resize 1000 images: No module named 'numpy'."))
      << text;
  EXPECT_FALSE(absl::StrContains(DemoSummary(report), "3.13t"));
  EXPECT_TRUE(absl::StrContains(DemoJson(report), "\"missing\":\"No module named 'numpy'\",\"wall_seconds\":null"));
}

TEST(DemoReportTest, ALongRuntimesNameLeavesTheTableItsWidth) {
  DemoReport report = ReportWithRuntime();
  report.runtime->implementation = "IronPython";
  report.runtime->path = std::string(300, 'p');
  report.workloads[1].runtime->cores = std::vector<double>(64, 0.5);
  for (LaneFigures& lane : report.workloads[0].lanes) lane.cores = std::vector<double>(64, 0.5);
  const std::vector<std::string> lines = Lines(DemoText(report, true));
  EXPECT_TRUE(absl::StartsWith(lines[7], "  IronPy…, no lock  -  ")) << lines[7];
  for (size_t i = 0; i < 8; ++i) EXPECT_LE(CharacterCount(lines[i]), 80u) << lines[i];
}

TEST(DemoReportTest, AVerdictStandsUnderItsWorkload) {
  DemoReport report = Report();
  report.workloads[0].lanes[1].verdict = "IO_BOUND";
  report.workloads[1].lanes.resize(1);
  report.workloads[1].lanes[0].verdict = "LOCK_BOUND";
  const std::vector<std::string> lines = Lines(DemoText(report, true));
  EXPECT_EQ(lines[4], "  IO_BOUND          CPU   4.00s       25   2.00x     0%  100%    5.0ms  █ ▁");
  EXPECT_EQ(lines[6], "  LOCK_BOUND");
  EXPECT_TRUE(absl::StrContains(DemoJson(report), "\"verdict\":\"IO_BOUND\""));
  EXPECT_TRUE(absl::StrContains(DemoJson(report), "\"verdict\":null"));
}

TEST(DemoReportTest, TheVerdictIsThatOfMostTasks) {
  std::vector<v1::Outcome> outcomes(4);
  outcomes[0].mutable_verdict()->set_kind(v1::Verdict::MIXED);
  outcomes[1].mutable_verdict()->set_kind(v1::Verdict::NATIVE);
  outcomes[2].mutable_verdict()->set_kind(v1::Verdict::NATIVE);
  EXPECT_EQ(SumOf(v1::CPU_LANE, outcomes).verdict, "NATIVE");
  EXPECT_EQ(SumOf(v1::CPU_LANE, {v1::Outcome()}).verdict, "");
}

TEST(DemoReportTest, WithoutAMeterTheLockIsNotAvailable) {
  std::vector<v1::Outcome> outcomes(2);
  for (v1::Outcome& outcome : outcomes) {
    outcome.set_ending(v1::SUCCEEDED);
    outcome.mutable_usage()->mutable_run()->set_seconds(1);
  }
  outcomes[0].mutable_lock()->mutable_wait();
  outcomes[0].mutable_lock()->mutable_hold()->set_seconds(1);
  outcomes[0].mutable_lock()->mutable_longest_hold();
  const LaneFigures figures = SumOf(v1::IO_LANE, outcomes);
  EXPECT_EQ(figures.run, absl::Seconds(2));
  EXPECT_EQ(figures.WaitShare(), std::nullopt);
  EXPECT_EQ(figures.endings.at("SUCCEEDED"), 2u);
  DemoReport report = Report();
  report.workloads[0].lanes[0].wait.reset();
  EXPECT_TRUE(absl::StrContains(DemoText(report, true), "n/a"));
  EXPECT_TRUE(absl::StrContains(DemoJson(report), "\"wait_share\":null"));
}

TEST(DemoReportTest, JsonHasEveryFigure) {
  google::protobuf::Struct parsed;
  ASSERT_TRUE(google::protobuf::util::JsonStringToMessage(DemoJson(Report()), &parsed).ok());
  ASSERT_EQ(parsed.fields().at("rows").list_value().values_size(), 4);
  const auto& row = parsed.fields().at("rows").list_value().values(2).struct_value().fields();
  EXPECT_DOUBLE_EQ(row.at("wall_seconds").number_value(), 8);
  EXPECT_DOUBLE_EQ(row.at("speedup").number_value(), 1);
  EXPECT_DOUBLE_EQ(row.at("baseline_seconds").number_value(), 8);
  EXPECT_DOUBLE_EQ(row.at("wait_share").number_value(), 0.87);
  EXPECT_DOUBLE_EQ(row.at("longest_hold_seconds").number_value(), 0.005);
  EXPECT_EQ(row.at("cores").list_value().values_size(), 2);
  EXPECT_DOUBLE_EQ(row.at("endings").struct_value().fields().at("SUCCEEDED").number_value(), 100);
}

TEST(DemoReportTest, JsonHasTheRuntimesFiguresToo) {
  google::protobuf::Struct parsed;
  ASSERT_TRUE(google::protobuf::util::JsonStringToMessage(DemoJson(ReportWithRuntime()), &parsed).ok());
  const auto& runtime = parsed.fields().at("runtime").struct_value().fields();
  EXPECT_EQ(runtime.at("path").string_value(), "/opt/free/python3");
  EXPECT_TRUE(runtime.at("free_threaded").bool_value());
  ASSERT_EQ(runtime.at("rows").list_value().values_size(), 1);
  const auto& row = runtime.at("rows").list_value().values(0).struct_value().fields();
  EXPECT_FALSE(row.at("lock").bool_value());
  EXPECT_DOUBLE_EQ(row.at("wall_seconds").number_value(), 5.2);
  EXPECT_DOUBLE_EQ(row.at("speedup").number_value(), 1.95);
  EXPECT_DOUBLE_EQ(row.at("baseline_seconds").number_value(), 10.14);
  EXPECT_EQ(row.at("cores").list_value().values_size(), 2);
  EXPECT_TRUE(absl::StrContains(DemoJson(Report()), "\"runtime\":null"));
}

TEST(DemoReportTest, BusySharesComeFromTwoSnapshots) {
  const auto snapshot = [](int cpu, int idle, int steal) {
    v1::Stats stats;
    for (const int core : {1, 0}) {
      v1::CoreStats* entry = stats.add_cores();
      entry->set_core(core);
      entry->mutable_cpu_lane()->set_seconds(core == 0 ? cpu : 0);
      entry->mutable_idle()->set_seconds(idle);
      entry->mutable_steal()->set_seconds(steal);
    }
    return stats;
  };
  EXPECT_THAT(BusyShares(snapshot(0, 0, 0), snapshot(2, 1, 1)), ElementsAre(0.5, 0.0));
  EXPECT_THAT(BusyShares(snapshot(5, 5, 5), snapshot(5, 5, 5)), ElementsAre(0.0, 0.0));
  EXPECT_THAT(BusyShares(v1::Stats(), v1::Stats()), ElementsAre());

  // One core of two was busy for 2 s of 4 s; one of those was the task's.
  EXPECT_EQ(OtherLoad(snapshot(0, 0, 0), snapshot(2, 1, 1), absl::Seconds(1)), 1.0 / 6);
  EXPECT_EQ(OtherLoad(v1::Stats(), v1::Stats(), absl::Seconds(1)), std::nullopt);
}

TEST(DemoReportTest, ABusyMachineIsMentioned) {
  DemoReport report = Report();
  report.workloads[0].other_load = 0.02;
  EXPECT_FALSE(absl::StrContains(DemoText(report, true), "NOTE"));
  report.workloads[1].other_load = 0.43;
  EXPECT_TRUE(absl::StrContains(DemoText(report, true), "NOTE: other work took 43% of the cores"));
}

TEST(DemoReportTest, ManyCoresShareBars) {
  EXPECT_EQ(CoreBars({0, 1}, true), "▁ █");
  EXPECT_EQ(CoreBars({0, 0.55, 1}, false), "0 5 9");
  EXPECT_EQ(CoreBars({1, 1, 1, 1, 0, 0}, true), "████▁▁");
  EXPECT_EQ(CharacterCount(CoreBars(std::vector<double>(64, 0.5), true)), 8u);
  EXPECT_EQ(CoreBars({}, true), "n/a");
}

TEST(DemoWorkloadTest, PrimesAreCheckedAgainstASieve) {
  EXPECT_EQ(CountPrimes(1), 0);
  EXPECT_EQ(CountPrimes(2), 1);
  EXPECT_EQ(CountPrimes(100), 25);
  EXPECT_EQ(CountPrimes(1000000), 78498);
  const Workload primes = PrimesWorkload(100);
  std::vector<v1::Outcome> outcomes(primes.tasks);
  for (v1::Outcome& outcome : outcomes) outcome.mutable_result()->set_json("3");
  EXPECT_EQ(primes.check(outcomes), "");  // 1 + 8 * 3
  outcomes[3].mutable_result()->set_json("4");
  EXPECT_EQ(primes.check(outcomes), "26 primes up to 100 were counted; there are 25");
}

TEST(DemoWorkloadTest, TheIntegralIsCheckedAgainstWhatIsKnown) {
  const Workload arrays = ArraysWorkload(3);
  EXPECT_EQ(arrays.task(7).source().arguments(0).json(), "7");
  EXPECT_EQ(arrays.task(7).source().arguments(2).json(), "3");
  std::vector<v1::Outcome> outcomes(arrays.tasks);
  for (v1::Outcome& outcome : outcomes) outcome.mutable_result()->set_json("0.25");
  EXPECT_EQ(arrays.check(outcomes), "");
  outcomes[0].mutable_result()->set_json("0.3");
  EXPECT_EQ(arrays.check(outcomes), "the integral of sin over [0, pi] came to 2.05, not 2");
  outcomes[0].mutable_result()->set_json("null");
  EXPECT_EQ(arrays.check(outcomes), "a part came to null, which is no number");
}

TEST(DemoWorkloadTest, AThumbnailOfAnotherSizeIsNoticed) {
  const auto pictures = std::make_shared<const std::vector<std::string>>(std::vector<std::string>{"a", "b"});
  const Workload images = ImagesWorkload(pictures, 3);
  EXPECT_EQ(images.task(2).source().arguments(0).raw(), "a");
  const std::string right("\xFF\xD8\xFF\xC0\x00\x11\x08\x00\x80\x00\x80\x03", 12);
  std::vector<v1::Outcome> outcomes(3);
  for (v1::Outcome& outcome : outcomes) outcome.mutable_result()->set_raw(right);
  EXPECT_EQ(images.check(outcomes), "");
  outcomes[1].mutable_result()->mutable_raw()->at(8) = '\x7f';
  EXPECT_EQ(images.check(outcomes), "picture 1 did not come back as a JPEG of 128x128");
}

TEST(DemoRunTest, KeepsNoMoreThanItsBoundUnderWay) {
  absl::Mutex mutex;
  int now = 0;
  int most = 0;
  FakeServer server([&](const v1::Task&, grpc::ServerContext*, v1::Outcome* outcome) {
    absl::MutexLock lock(&mutex);
    most = std::max(most, ++now);
    // Until the bound is reached, or for ever if it never is.
    mutex.Await(absl::Condition(
        +[](int* most) { return *most >= 5; }, &most));
    --now;
    outcome->set_ending(v1::SUCCEEDED);
    outcome->mutable_result()->set_json("3");
    return grpc::Status::OK;
  });
  Client client(server.address());
  const Terminal terminal(ColorMode::kNever);
  Workload workload = PrimesWorkload(100);
  workload.tasks = 40;
  workload.check = [](const std::vector<v1::Outcome>& outcomes) { return absl::StrCat(outcomes.size(), " seen"); };
  WorkloadRun run;
  Failure failure;
  EXPECT_FALSE(RunWorkload(&client, server.address(), workload, v1::IO, 5, terminal, "x", &run, &failure));
  EXPECT_EQ(failure.why.cause, "the demo failed: count primes / 8: 40 seen");
  EXPECT_EQ(most, 5);
}

TEST(DemoRunTest, TheFirstTaskThatDoesNotSucceedEndsIt) {
  FakeServer server([](const v1::Task&, grpc::ServerContext*, v1::Outcome* outcome) {
    outcome->set_ending(v1::RAISED);
    outcome->mutable_error()->set_type("ModuleNotFoundError");
    outcome->mutable_error()->set_message("No module named 'PIL'");
    return grpc::Status::OK;
  });
  Client client(server.address());
  const Terminal terminal(ColorMode::kNever);
  WorkloadRun run;
  Failure failure;
  EXPECT_FALSE(RunWorkload(&client, server.address(), PrimesWorkload(100), v1::CPU, 1, terminal, "x", &run, &failure));
  EXPECT_EQ(failure.exit_code, 1);
  EXPECT_EQ(failure.why.cause,
            "the demo failed: count primes / 8: a task ended as RAISED, ModuleNotFoundError: No module named 'PIL'");
  EXPECT_EQ(failure.why.hint, "install it where the server runs: apt-get install python3-pil python3-numpy");
}

// One GET, to the end of the connection.
std::string Get(uint16_t port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  const std::string text = "GET /page/1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
  EXPECT_EQ(write(fd, text.data(), text.size()), static_cast<ssize_t>(text.size()));
  std::string answer;
  char buffer[4096];
  for (ssize_t n; (n = read(fd, buffer, sizeof buffer)) > 0;) answer.append(buffer, static_cast<size_t>(n));
  close(fd);
  return answer;
}

TEST(SlowHttpTest, AnswersAfterItsDelayAndNotBefore) {
  const auto server = SlowHttp::Start(absl::Milliseconds(50));
  ASSERT_TRUE(server.ok()) << server.status();
  const std::string answer = Get((*server)->port());
  EXPECT_TRUE(absl::StartsWith(answer, "HTTP/1.1 200"));
  EXPECT_TRUE(absl::StrContains(answer, absl::StrCat("Content-Length: ", SlowHttp::kBodyBytes)));
  EXPECT_EQ((*server)->counts().answered, 1u);
  EXPECT_GE((*server)->counts().shortest_delay, absl::Milliseconds(50));
  EXPECT_TRUE(absl::StartsWith((*server)->Url(3), "http://127.0.0.1:"));
}

TEST(SlowHttpTest, ManyWaitAtTheSameTime) {
  // Nobody is answered within the hour, so that 256 can only be seen waiting if they wait together.
  auto started = SlowHttp::Start(absl::Seconds(3600));
  ASSERT_TRUE(started.ok());
  std::unique_ptr<SlowHttp> server = *std::move(started);
  std::vector<std::thread> clients;
  for (int i = 0; i < 256; ++i) {
    clients.emplace_back([port = server->port()] { Get(port); });
  }
  while (server->counts().waiting_most < 256) absl::SleepFor(absl::Milliseconds(1));
  EXPECT_EQ(server->counts().answered, 0u);
  server.reset();  // lets everybody go
  for (std::thread& client : clients) client.join();
}

}  // namespace
}  // namespace gild::cli
