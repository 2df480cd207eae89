// Sessions: globals that tasks of the I/O lane share, how long, and what becomes of them.
#include <gmock/gmock.h>
#include <signal.h>

#include "absl/strings/str_cat.h"
#include "tests/testing/doorbell.h"
#include "tests/testing/server_fixture.h"

namespace gild::testing {
namespace {

using ::google::rpc::ErrorInfo;
using ::google::rpc::RetryInfo;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

v1::Task In(const std::string& session, v1::Task task) {
  task.set_session(session);
  return task;
}

class SessionsTest : public ServerFixture {
 protected:
  static v1::Task Entry(const std::string& name, const std::vector<v1::Value>& arguments = {}) {
    return Call(v1::IO, "sessions.py", name, arguments);
  }
  std::string Count(const std::string& session, const std::string& entry = "count") {
    const v1::Outcome outcome = Run(In(session, Entry(entry)));
    EXPECT_EQ(outcome.ending(), v1::SUCCEEDED) << outcome.DebugString();
    EXPECT_THAT(outcome.warnings(), IsEmpty());
    return outcome.result().json();
  }
  // Something that rings when the session is let go of, and then goes on as told.
  void Leave(const std::string& session, const Doorbell& door, const std::string& then = "end") {
    const v1::Outcome outcome =
        Run(In(session, Entry("leave", {Json(std::to_string(door.port())), Json(absl::StrCat("\"", then, "\""))})));
    EXPECT_EQ(outcome.ending(), v1::SUCCEEDED) << outcome.DebugString();
  }
};

TEST_F(SessionsTest, ItsTasksShareGlobalsAndNobodyElse) {
  StartSmallServer();
  EXPECT_EQ(Count("a"), "1");
  EXPECT_EQ(Count("a"), "2");
  EXPECT_EQ(Count("b"), "1");
  EXPECT_EQ(Count(""), "1");
  EXPECT_EQ(Count(""), "1");
  EXPECT_EQ(Count("a"), "3");
  EXPECT_EQ(Run(In("a", Script(v1::IO, "print(calls, __name__)"))).stdout(), "3 __main__\n");
  EXPECT_EQ(Run(In("a", Script(v1::IO, "raise ValueError(calls)"))).error().message(), "3");
  EXPECT_EQ(Count("a"), "4") << "one that raises ends nothing";
}

TEST_F(SessionsTest, CoroutinesShareThemToo) {
  StartSmallServer();
  EXPECT_EQ(Count("a"), "1");
  // The first comes to the loop by way of a thread, the second straight.
  EXPECT_EQ(Count("a", "count_async"), "2");
  EXPECT_EQ(Count("a", "count_async"), "3");
  EXPECT_EQ(Count("b", "count_async"), "1");
  EXPECT_EQ(Count("", "count_async"), "1");
  EXPECT_EQ(Count("a"), "4");
}

TEST_F(SessionsTest, TasksAtTheSameTimeSeeEachOther) {
  StartSmallServer();
  const auto waiting = RunLater(In("a", Entry("await_word")));
  EXPECT_EQ(Run(In("a", Entry("say_word", {Json("\"hello\"")}))).ending(), v1::SUCCEEDED);
  EXPECT_EQ(waiting->outcome().result().json(), "\"hello\"");
}

TEST_F(SessionsTest, EachHasItsOwnCopyOfAFunction) {
  StartSmallServer({"--session-idle", "24h"});
  if (Lacks("cloudpickle")) GTEST_SKIP() << "no cloudpickle";
  const auto made = [&](const std::string& entry, const std::vector<v1::Value>& arguments) {
    return Run(Call(v1::CPU, "pickles.py", entry, arguments)).result();
  };
  grpc::ClientContext context;
  v1::PutFunctionRequest request;
  request.set_pickled_function(
      made("function",
           {Raw("calls = 0\ndef count():\n    global calls\n    calls += 1\n    return calls\n"), Json("\"count\"")})
          .raw());
  v1::PutFunctionReply reply;
  ASSERT_TRUE(executor()->PutFunction(&context, request, &reply).ok());
  v1::Task call;
  call.set_tag(v1::IO);
  call.mutable_function()->set_function_sha256(reply.function_sha256());
  const auto count = [&](const std::string& session) {
    const v1::Outcome outcome = Run(In(session, call));
    EXPECT_EQ(outcome.ending(), v1::SUCCEEDED) << outcome.DebugString();
    return made("result", {Raw(outcome.result().pickled())}).json();
  };
  EXPECT_EQ(count("a"), "\"1\"");
  EXPECT_EQ(count("a"), "\"2\"");
  EXPECT_EQ(count("b"), "\"1\"");
  EXPECT_EQ(count(""), "\"1\"");
  EXPECT_EQ(count("a"), "\"3\"");
  EXPECT_EQ(count(""), "\"2\"");
}

TEST_F(SessionsTest, InTheCpuLaneItMeansNothingAndSaysSo) {
  StartSmallServer();
  for (const v1::Tag tag : {v1::CPU, v1::AUTO}) {
    for (int i = 0; i < 2; ++i) {
      const v1::Outcome outcome = Run(In("a", Call(tag, "sessions.py", "count")));
      EXPECT_EQ(outcome.result().json(), "1");
      EXPECT_THAT(outcome.warnings(), ElementsAre(HasSubstr("task.session has no meaning")));
    }
  }
  EXPECT_EQ(GetStats().sessions_size(), 0);
}

TEST_F(SessionsTest, StatsAndMetricsShowThem) {
  StartSmallServer();
  Count("a");
  Count("a");
  Doorbell door;
  const auto run = RunLater(In("b", RingAndWait(v1::IO, door.port())));
  door.AwaitRings(1);
  const v1::Stats stats = GetStats();
  ASSERT_EQ(stats.sessions_size(), 2);
  EXPECT_EQ(stats.sessions(0).session(), "b");
  EXPECT_EQ(stats.sessions(0).active(), 1u);
  EXPECT_FALSE(stats.sessions(0).has_idle());
  EXPECT_EQ(stats.sessions(1).session(), "a");
  EXPECT_EQ(stats.sessions(1).slot(), "io-0");
  EXPECT_EQ(stats.sessions(1).tasks(), 2u);
  EXPECT_EQ(stats.sessions(1).active(), 0u);
  EXPECT_GT(Seconds(stats.sessions(1).idle()), 0);
  EXPECT_THAT(HttpGet("/metrics").body, HasSubstr("\ngild_sessions 2\n"));
}

TEST_F(SessionsTest, AnIdleOneIsForgottenAndItsMemoryFreed) {
  StartSmallServer({"--session-idle", "100ms"});
  Doorbell door;
  Leave("a", door);
  door.AwaitRings(1);  // by its finalizer: nothing else runs
  EXPECT_EQ(GetStats().sessions_size(), 0);
  EXPECT_THAT(HttpGet("/metrics").body, HasSubstr("\ngild_sessions_forgotten_total{cause=\"idle\"} 1\n"));
  EXPECT_EQ(Count("a"), "1");
}

TEST_F(SessionsTest, OneWithARunningTaskIsNotIdle) {
  StartSmallServer({"--session-idle", "1ms"});
  Doorbell running_door, idle_door;
  const auto run = RunLater(In("a", RingAndWait(v1::IO, running_door.port())));
  running_door.AwaitRings(1);
  EXPECT_EQ(Run(In("a", Script(v1::IO, "x = 1"))).ending(), v1::SUCCEEDED);
  // So long that another has been forgotten meanwhile.
  Leave("b", idle_door);
  idle_door.AwaitRings(1);
  EXPECT_EQ(Run(In("a", Script(v1::IO, "print(x)"))).stdout(), "1\n");
}

TEST_F(SessionsTest, ItsTasksAllGoToOneInterpreter) {
  StartServer({"--io-interpreters", "2", "--cpu-interpreters", "1"});
  const std::string a = Run(In("a", Entry("count"))).usage().interpreter();
  const std::string b = Run(In("b", Entry("count"))).usage().interpreter();
  EXPECT_NE(a, b);
  std::vector<std::unique_ptr<PendingRun>> runs;
  for (int i = 0; i < 40; ++i) runs.push_back(RunLater(In(i % 2 == 0 ? "a" : "b", Entry("count"))));
  for (int i = 0; i < 40; ++i) EXPECT_EQ(runs[i]->outcome().usage().interpreter(), i % 2 == 0 ? a : b);
  EXPECT_EQ(Count("a"), "22");
  EXPECT_EQ(Count("b"), "22");
}

TEST_F(SessionsTest, ItGoesOnInItsSlotWhenItsInterpreterIsReplaced) {
  StartServer({"--io-interpreters", "2", "--cpu-interpreters", "1"});
  EXPECT_EQ(Count("other"), "1");
  EXPECT_EQ(Count("a"), "1");
  const v1::InterpreterStats before = Slot("io-1");
  EXPECT_EQ(Run(In("a", Script(v1::IO, "import os; os._exit(3)"))).ending(), v1::EXITED);
  const v1::Outcome next = Run(In("a", Entry("count")));
  EXPECT_EQ(next.result().json(), "1");
  EXPECT_EQ(next.usage().interpreter(), absl::StrCat("io-1#", before.generation() + 1));
  EXPECT_THAT(next.warnings(), ElementsAre(HasSubstr("globals were lost")));
  EXPECT_EQ(Count("a"), "2");
  EXPECT_EQ(Count("other"), "2");
}

TEST_F(SessionsTest, FinalizersThatHangAreStopped) {
  StartSmallServer({"--session-idle", "1ms"});
  Doorbell hanging, next;
  Leave("a", hanging, "hang");
  hanging.AwaitRings(1);
  EXPECT_EQ(Count("b"), "1") << "nobody waits for it";
  Leave("c", next);
  next.AwaitRings(1);
  EXPECT_EQ(Slot("io-0").generation(), 1u);
}

TEST_F(SessionsTest, FinalizersThatDoNotStopCostTheInterpreter) {
  StartSmallServer({"--session-idle", "1ms"});
  Doorbell stuck, neighbours_door;
  const auto neighbour = RunLater(RingAndWait(v1::IO, neighbours_door.port()));
  neighbours_door.AwaitRings(1);
  Leave("a", stuck, "swallow");
  stuck.AwaitRings(1);
  EXPECT_EQ(neighbour->outcome().ending(), v1::INTERPRETER_LOST);
  EXPECT_THAT(neighbour->outcome().evidence().detail(), HasSubstr("finalizers of a forgotten session"));
  AwaitSuccessor("io-0", 1);
  EXPECT_EQ(Restarts("io-0", "session_stuck"), 1u);
  EXPECT_EQ(Count("b"), "1");
}

TEST_F(SessionsTest, FinalizersThatWaitForTheLockAreNotToBlame) {
  StartSmallServer({"--session-idle", "1ms"});
  Doorbell door;
  std::vector<std::unique_ptr<PendingRun>> hogs;
  for (int i = 0; i < 4; ++i) hogs.push_back(RunLater(Call(v1::IO, "blocks.py", "spin")));
  Eventually("they run", [&] { return LaneOf(v1::IO_LANE).running() == 4; });
  // A switch interval for each of the others, 200 times: longer than they have by themselves.
  const std::vector<v1::Value> arguments = {Json(std::to_string(door.port())), Json("200")};
  EXPECT_EQ(Run(In("a", Entry("leave_many", arguments))).ending(), v1::SUCCEEDED);
  door.AwaitRings(1);
  EXPECT_EQ(Slot("io-0").generation(), 1u);
}

TEST_F(SessionsTest, AThreadThatATaskLeftBehindKeepsItsGlobals) {
  StartSmallServer({"--session-idle", "1ms"});
  Doorbell door, other;
  EXPECT_EQ(Run(In("a", Entry("leave_thread", {Json(std::to_string(door.port()))}))).ending(), v1::SUCCEEDED);
  door.AwaitRings(1);
  Leave("b", other);
  other.AwaitRings(1);  // so a is forgotten, too
  Eventually("all are forgotten", [&] { return GetStats().sessions_size() == 0; });
  door.LetIn();
  door.AwaitRings(1);
}

TEST_F(SessionsTest, TooManyMakeRoomForEachOtherOrAreRefused) {
  constexpr int kSessionsMax = 1024;
  StartSmallServer({"--io-threads", "1"});
  Doorbell freed, door;
  Leave("first", freed);
  const auto blocker = RunLater(RingAndWait(v1::IO, door.port()));
  door.AwaitRings(1);
  std::vector<std::unique_ptr<PendingRun>> waiting;
  for (int i = 0; i < kSessionsMax; ++i) {
    waiting.push_back(RunLater(In(absl::StrCat("s", i), Script(v1::IO, "pass"))));
  }
  Eventually("they wait", [&] { return LaneOf(v1::IO_LANE).queued() == kSessionsMax; });
  freed.AwaitRings(1);
  EXPECT_EQ(GetStats().sessions_size(), kSessionsMax);
  EXPECT_THAT(HttpGet("/metrics").body, HasSubstr("\ngild_sessions_forgotten_total{cause=\"full\"} 1\n"));
  const grpc::Status status = TryRun(In("one more", Script(v1::IO, "pass")));
  EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(DetailOf<ErrorInfo>(status).reason(), "SESSIONS_FULL");
  EXPECT_GT(Seconds(DetailOf<RetryInfo>(status).retry_delay()), 0);
  door.LetIn();
  for (const auto& run : waiting) EXPECT_EQ(run->outcome().ending(), v1::SUCCEEDED);
  EXPECT_EQ(Count("one more"), "1");
}

}  // namespace
}  // namespace gild::testing
