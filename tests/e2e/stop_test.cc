// A deadline and a cancel really stop work. In the I/O lane they cost no interpreter, but for code that never comes
// back to Python; in the CPU lane they cost exactly the one that ran it.
#include "tests/testing/doorbell.h"
#include "tests/testing/server_fixture.h"

namespace gild::testing {
namespace {

v1::Task WithWall(v1::Task task, int64_t ms) {
  *task.mutable_limits()->mutable_wall() = Ms(ms);
  return task;
}

class StopTest : public ServerFixture {};

// ---- I/O lane: every blocking call gives way ----

class BlockingCallTest : public StopTest, public ::testing::WithParamInterface<const char*> {};
INSTANTIATE_TEST_SUITE_P(Calls, BlockingCallTest,
                         ::testing::Values("sleep", "many_sleeps", "recv", "read_file_of_socket", "sendall", "accept",
                                           "read_pipe", "write_pipe", "open_fifo", "flock", "lockf", "lock_acquire",
                                           "lock_acquire_with_timeout", "event_wait", "queue_get", "join",
                                           "select_wait", "poll_wait", "epoll_wait", "subprocess_wait", "wait", "wait4",
                                           "waitid", "sigwait", "sigtimedwait", "spin"),
                         [](const auto& info) { return std::string(info.param); });

// Waits for a process are those of tasks that may start one.
bool StartsProcesses(const std::string& call) {
  return call == "subprocess_wait" || call == "lockf" || call.rfind("wait", 0) == 0;
}
std::string SlotOf(const std::string& call) { return StartsProcesses(call) ? "io-0-sub" : "io-0"; }

TEST_P(BlockingCallTest, EndsAtTheLimitAndCostsNobodyAnything) {
  StartSmallServer();
  Doorbell doorbell;
  v1::Task waiting = RingAndWait(v1::IO, doorbell.port());
  v1::Task blocked = WithWall(Call(v1::IO, "blocks.py", GetParam()), 300);
  for (v1::Task* const task : {&waiting, &blocked}) task->set_allow_subprocess(StartsProcesses(GetParam()));
  std::unique_ptr<PendingRun> neighbour = RunLater(waiting);
  doorbell.AwaitRings(1);

  v1::Outcome outcome = Run(blocked);
  EXPECT_EQ(outcome.ending(), v1::TIMED_OUT) << outcome.DebugString();
  EXPECT_EQ(outcome.evidence().limit(), "wall");
  EXPECT_EQ(Slot(SlotOf(GetParam())).generation(), 1u) << "the interpreter lives on";

  doorbell.LetIn();
  EXPECT_EQ(neighbour->outcome().ending(), v1::SUCCEEDED) << neighbour->outcome().DebugString();
  EXPECT_EQ(neighbour->outcome().usage().interpreter(), SlotOf(GetParam()) + "#1");
}

TEST_P(BlockingCallTest, EndsInTheCallWhenTheClientCancels) {
  StartSmallServer();
  Doorbell doorbell;
  v1::Task blocked = Call(v1::IO, "blocks.py", GetParam(), {Json(std::to_string(doorbell.port()))});
  blocked.set_allow_subprocess(StartsProcesses(GetParam()));
  std::unique_ptr<PendingRun> run = RunLater(blocked);
  doorbell.AwaitRings(1);
  // It rang with the lock in its hands, and lets go of it only in the call.
  const std::string wanted_holder = GetParam() == std::string("spin") ? "spin" : "";
  Eventually("the task is in its call", [&] { return Slot(SlotOf(GetParam())).holder().task_name() == wanted_holder; });
  run->Cancel();
  EXPECT_EQ(run->status().error_code(), grpc::StatusCode::CANCELLED);
  Eventually("the task has ended", [&] { return Endings(v1::IO_LANE, v1::CANCELLED) == 1; });
  EXPECT_EQ(Slot(SlotOf(GetParam())).running(), 0u);
  EXPECT_EQ(Slot(SlotOf(GetParam())).generation(), 1u) << "the interpreter lives on";
  EXPECT_EQ(Run(Script(v1::IO, "print(1)")).stdout(), "1\n");
}

// ---- I/O lane: what does not give way costs the interpreter ----

class HangTest : public StopTest, public ::testing::WithParamInterface<const char*> {};
INSTANTIATE_TEST_SUITE_P(Hangs, HangTest, ::testing::Values("regex", "power", "swallow"),
                         [](const auto& info) { return std::string(info.param); });

TEST_P(HangTest, EndsAndTheLaneLivesOn) {
  StartSmallServer();
  v1::Outcome outcome = Run(WithWall(Call(v1::IO, "hangs.py", GetParam()), 300));
  EXPECT_EQ(outcome.ending(), v1::TIMED_OUT) << outcome.DebugString();
  EXPECT_EQ(outcome.evidence().limit(), "wall");
  v1::Outcome next = Run(Script(v1::IO, "print(1)"));
  EXPECT_EQ(next.stdout(), "1\n") << next.DebugString();
}

TEST_F(StopTest, HangTakesItsNeighboursWithItAndTheyAreToldSo) {
  StartSmallServer();
  Doorbell neighbours_door, hang_door;
  std::vector<std::unique_ptr<PendingRun>> neighbours;
  for (int i = 0; i < 3; ++i) neighbours.push_back(RunLater(RingAndWait(v1::IO, neighbours_door.port())));
  neighbours_door.AwaitRings(3);
  std::unique_ptr<PendingRun> hang =
      RunLater(WithWall(Call(v1::IO, "hangs.py", "ring_then_regex", {Json(std::to_string(hang_door.port()))}), 500));
  hang_door.AwaitRings(1);
  hang_door.LetIn();

  EXPECT_EQ(hang->outcome().ending(), v1::TIMED_OUT) << hang->outcome().DebugString();
  for (const auto& neighbour : neighbours) {
    const v1::Outcome& outcome = neighbour->outcome();
    EXPECT_EQ(outcome.ending(), v1::INTERPRETER_LOST) << outcome.DebugString();
    EXPECT_FALSE(outcome.evidence().detail().empty());
    EXPECT_FALSE(outcome.evidence().safe_to_retry()) << "it had begun";
  }
  v1::InterpreterStats slot = AwaitSuccessor("io-0", 1);
  EXPECT_EQ(slot.generation(), 2u);
  ASSERT_EQ(slot.restarts_size(), 1);
  EXPECT_EQ(slot.restarts(0).restarts(), 1u);
  EXPECT_EQ(Run(Script(v1::IO, "print(1)")).usage().interpreter(), "io-0#2");
}

TEST_F(StopTest, PassedGrpcDeadlineStopsTheTask) {
  StartSmallServer();
  std::unique_ptr<PendingRun> run = RunLater(Call(v1::IO, "blocks.py", "sleep"), /*deadline_ms=*/500);
  EXPECT_EQ(run->status().error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  Eventually("the task has ended", [&] { return Endings(v1::IO_LANE, v1::CANCELLED) == 1; });
  EXPECT_EQ(Slot("io-0").generation(), 1u);
}

// ---- CPU lane ----

TEST_F(StopTest, CpuLaneKillsExactlyThatInterpreter) {
  LetCpuTasksRing();
  StartServer({"--io-interpreters", "1", "--cpu-interpreters", "2"});
  Doorbell doorbell;
  std::unique_ptr<PendingRun> neighbour = RunLater(RingAndWait(v1::CPU, doorbell.port()));
  doorbell.AwaitRings(1);
  std::string neighbours_slot = Slot("cpu-0").running() == 1 ? "cpu-0" : "cpu-1";
  std::string slot = neighbours_slot == "cpu-0" ? "cpu-1" : "cpu-0";

  v1::Outcome outcome = Run(WithWall(Call(v1::CPU, "hangs.py", "regex"), 300));
  EXPECT_EQ(outcome.ending(), v1::TIMED_OUT) << outcome.DebugString();
  EXPECT_EQ(outcome.usage().interpreter(), slot + "#1");
  EXPECT_EQ(AwaitSuccessor(slot, 1).generation(), 2u);
  EXPECT_EQ(Slot(neighbours_slot).generation(), 1u);

  doorbell.LetIn();
  EXPECT_EQ(neighbour->outcome().ending(), v1::SUCCEEDED) << neighbour->outcome().DebugString();
}

TEST_F(StopTest, CpuLaneStopsWhatTheClientCancels) {
  StartSmallServer();
  std::unique_ptr<PendingRun> run = RunLater(Call(v1::CPU, "hangs.py", "regex"));
  Eventually("the task runs", [&] { return Slot("cpu-0").holder().task_name() == "regex"; });
  run->Cancel();
  EXPECT_EQ(run->status().error_code(), grpc::StatusCode::CANCELLED);
  AwaitSuccessor("cpu-0", 1);
  EXPECT_EQ(Endings(v1::CPU_LANE, v1::CANCELLED), 1u);
  EXPECT_EQ(Run(Script(v1::CPU, "print(1)")).stdout(), "1\n");
}

TEST_F(StopTest, CancelledTaskThatWaitsNeverStarts) {
  StartSmallServer();
  std::unique_ptr<PendingRun> first = RunLater(Call(v1::CPU, "blocks.py", "spin"));
  Eventually("the first task runs", [&] { return LaneOf(v1::CPU_LANE).running() == 1; });
  std::unique_ptr<PendingRun> second = RunLater(Script(v1::CPU, "pass"));
  Eventually("the second task waits", [&] { return LaneOf(v1::CPU_LANE).queued() == 1; });
  second->Cancel();
  Eventually("the second task has ended", [&] { return LaneOf(v1::CPU_LANE).queued() == 0; });
  EXPECT_EQ(Endings(v1::CPU_LANE, v1::CANCELLED), 1u);
  EXPECT_EQ(LaneOf(v1::CPU_LANE).running(), 1u) << "the first goes on";
}

TEST_F(StopTest, WhatIsCancelledWhileItWaitsForTheLockDoesNothing) {
  StartSmallServer();
  v1::Task mark = Script(v1::IO, "ran = True");
  mark.set_session("marked");
  // Whoever gets the lock first, the task or its stop.
  for (int round = 0; round < 5; ++round) {
    Doorbell doorbell;
    const v1::Task keep =
        Call(v1::IO, "waits.py", "ring_and_wait_with_the_lock", {Json(std::to_string(doorbell.port()))});
    std::unique_ptr<PendingRun> keeper = RunLater(keep);
    doorbell.AwaitRings(1);
    std::vector<std::unique_ptr<PendingRun>> runs;
    for (int i = 0; i < 4; ++i) runs.push_back(RunLater(mark));
    Eventually("they wait for the lock", [&] { return Slot("io-0").running() == 5; });
    for (const auto& run : runs) run->Cancel();
    Eventually("their stops are overdue", [&] { return !LaneOf(v1::IO_LANE).serving(); });
    doorbell.LetIn();
    EXPECT_EQ(keeper->outcome().ending(), v1::SUCCEEDED);
    Eventually("they have ended", [&] { return Slot("io-0").running() == 0; });
  }
  EXPECT_EQ(Endings(v1::IO_LANE, v1::CANCELLED), 20u);
  v1::Task look = Script(v1::IO, "print('ran' in globals())");
  look.set_session("marked");
  EXPECT_EQ(Run(look).stdout(), "False\n");
  EXPECT_EQ(Slot("io-0").generation(), 1u);
}

TEST_F(StopTest, ManyTasksAreStoppedAtOnce) {
  StartSmallServer();
  std::vector<std::unique_ptr<PendingRun>> runs;
  for (int i = 0; i < 100; ++i) runs.push_back(RunLater(WithWall(Call(v1::IO, "blocks.py", "event_wait"), 1000)));
  for (const auto& run : runs) EXPECT_EQ(run->outcome().ending(), v1::TIMED_OUT) << run->outcome().DebugString();
  EXPECT_EQ(Slot("io-0").generation(), 1u);
}

}  // namespace
}  // namespace gild::testing
