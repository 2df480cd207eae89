// `async def` entry points: thousands at once on the event loop of the I/O interpreter, stopped through it, and booked
// step by step.
#include <gmock/gmock.h>

#include <algorithm>
#include <cstdio>

#include "absl/strings/str_cat.h"
#include "tests/testing/doorbell.h"
#include "tests/testing/server_fixture.h"

namespace gild::testing {
namespace {

using ::testing::HasSubstr;

v1::Task Async(v1::Tag tag, const std::string& entry, const std::vector<v1::Value>& arguments = {}) {
  return Call(tag, "async_tasks.py", entry, arguments);
}

v1::Task WithWall(v1::Task task, int64_t ms) {
  *task.mutable_limits()->mutable_wall() = Ms(ms);
  return task;
}

// ---- both lanes ----

class AsyncTest : public BothLanesFixture {
 protected:
  // Twice: the second comes straight to the loop, where the first was a thread's to begin with.
  v1::Outcome RunTwice(const v1::Task& task) {
    const v1::Outcome first = Run(task);
    const v1::Outcome second = Run(task);
    EXPECT_EQ(first.ending(), second.ending()) << first.DebugString() << second.DebugString();
    EXPECT_EQ(first.result().json(), second.result().json());
    EXPECT_EQ(first.stdout(), second.stdout());
    return second;
  }
};
INSTANTIATE_IN_BOTH_LANES(AsyncTest);

TEST_P(AsyncTest, ResultsAreEncodedAndOutputIsItsOwn) {
  StartSmallServer();
  EXPECT_EQ(RunTwice(Async(GetParam(), "echo", {Json("{\"a\":[1,null]}")})).result().json(), "{\"a\":[1,null]}");
  EXPECT_EQ(RunTwice(Async(GetParam(), "pair")).result().json(), "[1,2]");
  EXPECT_EQ(RunTwice(Async(GetParam(), "raw")).result().raw(), std::string("\x00\xff", 2));
  EXPECT_EQ(RunTwice(Async(GetParam(), "say", {Json("\"x\"")})).stdout(), "x\nx\nx\n");
}

TEST_P(AsyncTest, ExceptionsCarryTheirTracebackWithoutOurFrames) {
  StartSmallServer();
  const v1::Outcome outcome = RunTwice(Async(GetParam(), "fail"));
  EXPECT_EQ(outcome.ending(), v1::RAISED);
  EXPECT_EQ(outcome.error().type(), "ValueError");
  EXPECT_EQ(outcome.error().message(), "from a child");
  EXPECT_THAT(outcome.error().traceback(), HasSubstr("in fail\n"));
  EXPECT_THAT(outcome.error().traceback(), HasSubstr("in inner\n"));
  EXPECT_THAT(outcome.error().traceback(), ::testing::Not(HasSubstr("<gild")));
  EXPECT_EQ(Run(Async(GetParam(), "unencodable")).error().type(), "TypeError");
}

TEST_P(AsyncTest, SystemExitEndsTheTaskAndNobodyElse) {
  StartSmallServer();
  const v1::Outcome outcome = RunTwice(Async(GetParam(), "leave", {Json("3")}));
  EXPECT_EQ(outcome.ending(), v1::EXITED);
  EXPECT_EQ(outcome.evidence().exit_code(), 3);
  const v1::Outcome child = RunTwice(Async(GetParam(), "leave_from_child", {Json("4")}));
  EXPECT_EQ(child.ending(), v1::EXITED);
  EXPECT_EQ(child.evidence().exit_code(), 4);
  EXPECT_EQ(Slot(slot()).generation(), 1u);
}

TEST_P(AsyncTest, WhatATaskLeavesRunningEndsWithIt) {
  StartSmallServer();
  const v1::Outcome outcome = RunTwice(Async(GetParam(), "forget_child"));
  EXPECT_EQ(outcome.result().json(), "\"returned\"");
  EXPECT_EQ(outcome.stdout(), "the child was cancelled\n");
}

TEST_P(AsyncTest, ContextVariablesAreEachTasksOwn) {
  StartSmallServer();
  EXPECT_EQ(RunTwice(Async(GetParam(), "set_label", {Json("\"mine\"")})).result().json(), "[\"none\",\"mine\"]");
}

TEST_P(AsyncTest, ABodyMayReturnACoroutineOrNot) {
  StartSmallServer();
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(RunTwice(Async(GetParam(), "not_always", {Json("\"async\"")})).result().json(), "\"awaited\"");
    EXPECT_EQ(RunTwice(Async(GetParam(), "not_always", {Json("\"plain\"")})).result().json(), "\"called\"");
  }
}

TEST_P(AsyncTest, ThePoolsThreadsWorkForWhoeverAsked) {
  StartSmallServer();
  const v1::Outcome outcome = RunTwice(Async(GetParam(), "pool", {Json("0.05")}));
  EXPECT_EQ(outcome.stdout(), "from the pool\n");
  EXPECT_GE(Seconds(outcome.usage().cpu()), 0.05);
  EXPECT_GE(Seconds(outcome.lock().hold()), 0.045);
  EXPECT_TRUE(outcome.warnings().empty()) << outcome.DebugString();
}

// ---- the event loop of the I/O lane ----

class EventLoopTest : public ServerFixture {};

TEST_F(EventLoopTest, ManyMoreThanThereAreThreadsWaitAtOnce) {
  constexpr int kTasks = 500;
  StartSmallServer({"--io-threads", "2"});
  Doorbell doorbell;
  std::vector<std::unique_ptr<PendingRun>> runs;
  for (int i = 0; i < kTasks; ++i) {
    runs.push_back(RunLater(Async(v1::IO, "ring", {Json(std::to_string(doorbell.port()))})));
  }
  // All of them are in there now, each at its door.
  doorbell.AwaitRings(kTasks);
  EXPECT_EQ(Slot("io-0").running(), static_cast<uint32_t>(kTasks));
  EXPECT_EQ(Slot("io-0").on_loop(), static_cast<uint32_t>(kTasks));
  // And leave its threads to others.
  EXPECT_EQ(Run(Script(v1::IO, "print(1)")).stdout(), "1\n");
  doorbell.LetIn();
  for (const auto& run : runs) EXPECT_EQ(run->outcome().ending(), v1::SUCCEEDED) << run->outcome().DebugString();
  EXPECT_EQ(Slot("io-0").generation(), 1u);
}

TEST_F(EventLoopTest, StepsAreBookedToTheirTask) {
  StartSmallServer();
  // Truth: the processor time that each burns, in steps of its own, in children and in a callback, and how long the
  // burns took, both of which it returns. Steps of 20 ms, so that what the loop itself needs is no part of the
  // comparison.
  std::vector<v1::Task> burners;
  for (const int share : {1, 2, 3, 4}) {
    std::string burns = "0.02";
    for (int i = 1; i < 5 * share; ++i) burns += ",0.02";
    burners.push_back(Async(v1::IO, "steps", {Json(absl::StrCat("[", burns, "]"))}));
  }
  burners.push_back(Async(v1::IO, "children", {Json("4"), Json("0.05")}));
  burners.push_back(Async(v1::IO, "callback", {Json("0.2")}));

  // Compiling the body, once for each name of a task, is no part of it either: 2 to 3 ms.
  (void)Run(Async(v1::IO, "steps", {Json("[0]")}));
  (void)Run(Async(v1::IO, "children", {Json("1"), Json("0")}));
  (void)Run(Async(v1::IO, "callback", {Json("0")}));

  // Where a core is taken away just between two burns, one good round of a few will do. Processor time must be right in
  // each.
  double worst = 1;
  for (int round = 0; round < 5 && worst > 0.03; ++round) {
    worst = 0;
    std::vector<std::unique_ptr<PendingRun>> runs;
    for (const v1::Task& burner : burners) runs.push_back(RunLater(burner));
    for (const auto& run : runs) {
      const v1::Outcome& outcome = run->outcome();
      ASSERT_EQ(outcome.ending(), v1::SUCCEEDED) << outcome.DebugString();
      double cpu_s = 0, took_s = 0;
      ASSERT_EQ(std::sscanf(outcome.result().json().c_str(), "[%lf,%lf]", &cpu_s, &took_s), 2);
      EXPECT_GE(cpu_s, 0.1);
      EXPECT_NEAR(Seconds(outcome.usage().cpu()) / cpu_s, 1.0, 0.03) << outcome.DebugString();
      worst = std::max(worst, std::abs(Seconds(outcome.lock().hold()) / took_s - 1));
      ASSERT_TRUE(outcome.usage().has_loop_wait());
      EXPECT_GT(Seconds(outcome.usage().loop_wait()), 0.02) << "the others had turns, too";
    }
  }
  EXPECT_LE(worst, 0.03) << "hold against the time that the burns took";
}

TEST_F(EventLoopTest, SleepersHoldNothingAndHardlyWait) {
  StartSmallServer();
  (void)Run(Async(v1::IO, "nap"));
  const v1::Outcome outcome = Run(Async(v1::IO, "nap", {Json("0.3")}));
  EXPECT_LT(Seconds(outcome.lock().hold()), 0.006);
  EXPECT_LT(Seconds(outcome.usage().loop_wait()), 0.1);
  EXPECT_EQ(outcome.verdict().kind(), v1::Verdict::IO_BOUND);
}

class LoopStopTest : public EventLoopTest, public ::testing::WithParamInterface<const char*> {};
INSTANTIATE_TEST_SUITE_P(Stops, LoopStopTest, ::testing::Values("await", "clean up", "sleep", "recv", "spin", "pool"),
                         [](const auto& info) {
                           std::string name = info.param;
                           std::replace(name.begin(), name.end(), ' ', '_');
                           return name;
                         });

TEST_P(LoopStopTest, EndsAtTheLimitAndItsNeighboursGoOn) {
  StartSmallServer();
  Doorbell neighbours_door, door;
  const auto neighbour = RunLater(Async(v1::IO, "ring", {Json(std::to_string(neighbours_door.port()))}));
  neighbours_door.AwaitRings(1);
  const auto run = RunLater(WithWall(
      Async(v1::IO, "ring_then", {Json(std::to_string(door.port())), Json(absl::StrCat("\"", GetParam(), "\""))}),
      400));
  door.AwaitRings(1);
  door.LetIn();
  EXPECT_EQ(run->outcome().ending(), v1::TIMED_OUT) << run->outcome().DebugString();
  EXPECT_EQ(run->outcome().stdout(), GetParam() == std::string("clean up") ? "cleaned up\n" : "");
  neighbours_door.LetIn();
  EXPECT_EQ(neighbour->outcome().ending(), v1::SUCCEEDED) << neighbour->outcome().DebugString();
  EXPECT_EQ(Slot("io-0").generation(), 1u) << "the interpreter lives on";
}

TEST_F(EventLoopTest, ACancelledOneIsCancelledThroughTheLoop) {
  StartSmallServer();
  Doorbell door;
  const auto run = RunLater(Async(v1::IO, "ring", {Json(std::to_string(door.port()))}));
  door.AwaitRings(1);
  run->Cancel();
  EXPECT_EQ(run->status().error_code(), grpc::StatusCode::CANCELLED);
  Eventually("the task has ended", [&] { return Endings(v1::IO_LANE, v1::CANCELLED) == 1; });
  EXPECT_EQ(Slot("io-0").generation(), 1u);
}

TEST_F(EventLoopTest, OneThatSwallowsItsCancelCostsTheInterpreter) {
  StartSmallServer();
  Doorbell neighbours_door, door;
  const auto neighbour = RunLater(Async(v1::IO, "ring", {Json(std::to_string(neighbours_door.port()))}));
  neighbours_door.AwaitRings(1);
  const auto run =
      RunLater(WithWall(Async(v1::IO, "ring_then", {Json(std::to_string(door.port())), Json("\"swallow\"")}), 400));
  door.AwaitRings(1);
  door.LetIn();
  EXPECT_EQ(run->outcome().ending(), v1::TIMED_OUT) << run->outcome().DebugString();
  EXPECT_EQ(neighbour->outcome().ending(), v1::INTERPRETER_LOST) << neighbour->outcome().DebugString();
  EXPECT_EQ(Run(Async(v1::IO, "echo", {Json("1")})).result().json(), "1");
}

TEST_F(EventLoopTest, ALoopThatDiesIsReplacedWithItsInterpreter) {
  StartSmallServer();
  Doorbell door;
  const auto neighbour = RunLater(Async(v1::IO, "ring", {Json(std::to_string(door.port()))}));
  door.AwaitRings(1);
  const v1::Outcome outcome = Run(Async(v1::IO, "break_loop"));
  EXPECT_EQ(outcome.ending(), v1::INTERPRETER_LOST) << outcome.DebugString();
  EXPECT_THAT(outcome.evidence().detail(), HasSubstr("event loop"));
  EXPECT_EQ(neighbour->outcome().ending(), v1::INTERPRETER_LOST);
  EXPECT_EQ(Run(Async(v1::IO, "echo", {Json("1")})).result().json(), "1");
  const v1::InterpreterStats slot = Slot("io-0");
  for (const v1::RestartCount& restarts : slot.restarts()) {
    EXPECT_EQ(restarts.restarts(), restarts.cause() == "loop_died" ? 1u : 0u) << restarts.cause();
  }
}

TEST_F(EventLoopTest, ALoopThatIsStoppedGoesOn) {
  StartSmallServer();
  EXPECT_EQ(Run(Async(v1::IO, "stop_loop")).result().json(), "\"still here\"");
  EXPECT_EQ(Slot("io-0").generation(), 1u);
}

}  // namespace
}  // namespace gild::testing
