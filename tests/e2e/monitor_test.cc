// What the server says of itself: GetInfo, GetStats, health, /metrics. All tell the same.
#include <algorithm>
#include <map>
#include <sstream>

#include "gmock/gmock.h"
#include "grpcpp/generic/generic_stub.h"
#include "tests/testing/command.h"
#include "tests/testing/server_fixture.h"

namespace gild::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

class MonitorTest : public ServerFixture {};

TEST_F(MonitorTest, InfoSaysWhatThisServerIs) {
  StartServer({"--io-interpreters", "1", "--cpu-interpreters", "2", "--io-threads", "16"});
  v1::Info info = GetInfo();
  EXPECT_THAT(info.version(), Not(IsEmpty()));
  EXPECT_THAT(info.python_version(), StartsWith("3."));
  EXPECT_TRUE(info.meter_available()) << info.meter_detail();
  EXPECT_THAT(info.isolation(), ::testing::Contains("no-new-privs"));
  EXPECT_GE(info.cores_size(), 1);
  EXPECT_EQ(Seconds(info.default_limits().wall()), 30);
  EXPECT_EQ(Seconds(info.ceiling_limits().wall()), 3600);
  EXPECT_EQ(info.default_limits().output_bytes(), 1u << 20);
  ASSERT_EQ(info.lanes_size(), 2);
  for (const v1::LaneInfo& lane : info.lanes()) {
    EXPECT_EQ(lane.interpreters(), lane.lane() == v1::IO_LANE ? 1u : 2u);
    EXPECT_EQ(lane.threads_per_interpreter(), lane.lane() == v1::IO_LANE ? 16u : 1u);
  }
}

TEST_F(MonitorTest, StatsCountWhatEnded) {
  StartSmallServer();
  for (v1::Tag tag : {v1::IO, v1::CPU}) {
    Run(Script(tag, "pass"));
    Run(Script(tag, "1/0"));
  }
  for (v1::Lane lane : {v1::IO_LANE, v1::CPU_LANE}) {
    EXPECT_EQ(Endings(lane, v1::SUCCEEDED), 1u);
    EXPECT_EQ(Endings(lane, v1::RAISED), 1u);
    EXPECT_EQ(LaneOf(lane).running(), 0u);
    EXPECT_TRUE(LaneOf(lane).serving());
  }
  v1::Stats stats = GetStats();
  std::vector<std::string> slots;
  for (const v1::InterpreterStats& slot : stats.interpreters()) slots.push_back(slot.slot());
  EXPECT_THAT(slots,
              ElementsAre("io-0", "io-0-sub", "cpu-0", "cpu-0-sub", "cpu-0-fresh", "cpu-0-fresh2", "cpu-0-sub-fresh"));
  EXPECT_EQ(stats.cores_size(), GetInfo().cores_size());
  EXPECT_GT(Seconds(stats.uptime()), 0);
  EXPECT_FALSE(stats.draining());
}

TEST_F(MonitorTest, MetricsPassPromtool) {
  ASSERT_THAT(std::string(GILD_PROMTOOL), Not(HasSubstr("NOTFOUND")))
      << "install the package prometheus, or run ./test";
  StartSmallServer();
  auto expect_nothing_to_say = [&](const std::string& when) {
    HttpReply reply = HttpGet("/metrics");
    ASSERT_EQ(reply.status, 200);
    CommandResult result = RunCommand({GILD_PROMTOOL, "check", "metrics"}, reply.body);
    EXPECT_EQ(result.exit_code, 0) << when;
    EXPECT_EQ(result.out + result.err, "") << when;
  };
  expect_nothing_to_say("at the start");
  for (v1::Tag tag : {v1::IO, v1::CPU}) {
    Run(Script(tag, "pass"));
    Run(Script(tag, "1/0"));
    Run(Call(tag, "crashes.py", "segfault"));
    TryRun(v1::Task());
  }
  expect_nothing_to_say("after some endings, restarts and refusals");
}

// The sum of those series of a family that have all these labels; a failure when there is none.
double SumOf(const std::string& metrics, const std::string& family, const std::vector<std::string>& labels) {
  double sum = 0;
  int series = 0;
  std::istringstream lines(metrics);
  for (std::string line; std::getline(lines, line);) {
    if (line.rfind(family + "{", 0) != 0) continue;
    const auto has = [&](const std::string& label) { return line.find(label) != std::string::npos; };
    if (!std::all_of(labels.begin(), labels.end(), has)) continue;
    sum += std::stod(line.substr(line.rfind(' ')));
    ++series;
  }
  EXPECT_GT(series, 0) << family << " " << ::testing::PrintToString(labels);
  return sum;
}

TEST_F(MonitorTest, MetricsTellWhatStatsTell) {
  StartSmallServer();
  for (int i = 0; i < 2; ++i) Run(Script(v1::IO, "pass"));
  Run(Script(v1::IO, "1/0"));
  for (int i = 0; i < 3; ++i) Run(Script(v1::AUTO, "1/0"));
  Run(Call(v1::CPU, "crashes.py", "segfault"));
  AwaitSuccessor("cpu-0", 1);
  const v1::Stats before = GetStats();
  const std::string metrics = HttpGet("/metrics").body;
  const v1::Stats stats = GetStats();

  for (const v1::LaneStats& lane : stats.lanes()) {
    const std::string label = lane.lane() == v1::IO_LANE ? "lane=\"io\"" : "lane=\"cpu\"";
    std::map<int, uint64_t> endings;
    for (const v1::EndingCount& count : lane.endings()) endings[count.ending()] = count.tasks();
    EXPECT_EQ(endings.size(), 2u) << lane.DebugString();
    for (int ending = v1::Ending_MIN + 1; ending <= v1::Ending_MAX; ++ending) {
      const std::string name = v1::Ending_Name(static_cast<v1::Ending>(ending));
      if (name.empty()) continue;
      EXPECT_EQ(SumOf(metrics, "gild_tasks_total", {label, "ending=\"" + name + "\""}), endings[ending])
          << label << name;
    }
    EXPECT_EQ(SumOf(metrics, "gild_lane_serving", {label}), lane.serving());
    EXPECT_EQ(SumOf(metrics, "gild_queue_tasks", {label}), lane.queued());
    EXPECT_EQ(SumOf(metrics, "gild_running_tasks", {label}), lane.running());
  }
  EXPECT_EQ(SumOf(metrics, "gild_tasks_total", {"tag=\"AUTO\"", "ending=\"RAISED\""}), 3);

  for (int i = 0; i < stats.interpreters_size(); ++i) {
    const v1::InterpreterStats& slot = stats.interpreters(i);
    const std::string label = "slot=\"" + slot.slot() + "\"";
    // An interpreter may do something between two looks.
    const double takes = SumOf(metrics, "gild_lock_takes_total", {label});
    EXPECT_GE(takes, before.interpreters(i).lock().takes());
    EXPECT_LE(takes, slot.lock().takes());
    const double hold = SumOf(metrics, "gild_lock_hold_seconds_total", {label});
    EXPECT_GE(hold, Seconds(before.interpreters(i).lock().hold()) - 1e-8);
    EXPECT_LE(hold, Seconds(slot.lock().hold()) + 1e-8);
    uint64_t restarts = 0;
    for (const v1::RestartCount& count : slot.restarts()) {
      EXPECT_EQ(SumOf(metrics, "gild_interpreter_restarts_total", {label, "cause=\"" + count.cause() + "\""}),
                count.restarts());
      restarts += count.restarts();
    }
    EXPECT_EQ(SumOf(metrics, "gild_interpreter_restarts_total", {label}), restarts);
    EXPECT_EQ(restarts, slot.generation() - 1);
  }
  for (const char* word : {"kind=\"steal\"", "_bucket{", "build_info"}) EXPECT_THAT(metrics, HasSubstr(word));
}

TEST_F(MonitorTest, ReflectionNamesTheServices) {
  StartSmallServer();
  // By hand, as Debian ships no reflection.proto: ServerReflectionRequest{list_services: "*"} is field 7.
  grpc::GenericStub stub(channel());
  grpc::ClientContext context;
  grpc::CompletionQueue queue;
  const auto call =
      stub.PrepareCall(&context, "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", &queue);
  void* tag;
  bool ok = false;
  call->StartCall(nullptr);
  ASSERT_TRUE(queue.Next(&tag, &ok) && ok);
  grpc::Slice request(std::string("\x3a\x01*"));
  call->WriteLast(grpc::ByteBuffer(&request, 1), grpc::WriteOptions(), nullptr);
  ASSERT_TRUE(queue.Next(&tag, &ok) && ok);
  grpc::ByteBuffer reply;
  call->Read(&reply, nullptr);
  ASSERT_TRUE(queue.Next(&tag, &ok) && ok);
  grpc::Slice bytes;
  ASSERT_TRUE(reply.DumpToSingleSlice(&bytes).ok());
  const std::string services(reinterpret_cast<const char*>(bytes.begin()), bytes.size());
  for (const char* service : {"gild.v1.Executor", "gild.v1.Monitor", "grpc.health.v1.Health"}) {
    EXPECT_THAT(services, HasSubstr(service));
  }
  context.TryCancel();
  grpc::Status status;
  call->Finish(&status, nullptr);
  ASSERT_TRUE(queue.Next(&tag, &ok));
}

TEST_F(MonitorTest, HttpAnswersProbesAndNothingElse) {
  StartSmallServer();
  EXPECT_EQ(HttpGet("/healthz").status, 200);
  EXPECT_EQ(HttpGet("/readyz").status, 200);
  EXPECT_EQ(HttpGet("/metrics").status, 200);
  EXPECT_EQ(HttpGet("/no-such-page").status, 404);
  EXPECT_EQ(HttpGet("/../etc/passwd").status, 404);
}

}  // namespace
}  // namespace gild::testing
