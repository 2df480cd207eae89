// What the server says of itself: GetInfo, GetStats, health, /metrics. All tell the same.
#include "gmock/gmock.h"
#include "grpcpp/generic/generic_stub.h"
#include "tests/testing/command.h"
#include "tests/testing/server_fixture.h"

namespace gild::testing {
namespace {

using ::testing::ContainsRegex;
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
  StartServer({"--io-interpreters", "1", "--cpu-interpreters", "1"});
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
  EXPECT_EQ(stats.interpreters_size(), 2);
  EXPECT_EQ(stats.cores_size(), GetInfo().cores_size());
  EXPECT_GT(Seconds(stats.uptime()), 0);
  EXPECT_FALSE(stats.draining());
}

TEST_F(MonitorTest, MetricsPassPromtool) {
  ASSERT_THAT(std::string(GILD_PROMTOOL), Not(HasSubstr("NOTFOUND")))
      << "install the package prometheus, or run ./test";
  StartServer({"--io-interpreters", "1", "--cpu-interpreters", "1"});
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

TEST_F(MonitorTest, MetricsTellWhatStatsTell) {
  StartServer({"--io-interpreters", "1", "--cpu-interpreters", "1"});
  Run(Script(v1::IO, "pass"));
  Run(Script(v1::AUTO, "1/0"));
  std::string metrics = HttpGet("/metrics").body;
  EXPECT_THAT(metrics, ContainsRegex(R"(gild_tasks[a-z_]*\{[^}]*ending="SUCCEEDED"[^}]*\} 1)"));
  EXPECT_THAT(metrics, ContainsRegex(R"(gild_tasks[a-z_]*\{[^}]*ending="RAISED"[^}]*\} 1)"));
  for (const char* word :
       {"tag=\"AUTO\"", "lane=\"io\"", "slot=\"cpu-0\"", "mode=\"steal\"", "_bucket{", "build_info"}) {
    EXPECT_THAT(metrics, HasSubstr(word));
  }
}

TEST_F(MonitorTest, ReflectionNamesTheServices) {
  StartServer({"--io-interpreters", "1", "--cpu-interpreters", "1"});
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
  StartServer({"--io-interpreters", "1", "--cpu-interpreters", "1"});
  EXPECT_EQ(HttpGet("/healthz").status, 200);
  EXPECT_EQ(HttpGet("/readyz").status, 200);
  EXPECT_EQ(HttpGet("/metrics").status, 200);
  EXPECT_EQ(HttpGet("/no-such-page").status, 404);
  EXPECT_EQ(HttpGet("/../etc/passwd").status, 404);
}

}  // namespace
}  // namespace gild::testing
