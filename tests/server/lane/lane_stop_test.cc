// Overruns and cancels, in both lanes.
#include "gmock/gmock.h"
#include "tests/server/lane/lane_fixture.h"

namespace gild {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

using LaneStopTest = LaneTest;

// The next so many that the child is told to stop.
std::vector<uint64_t> AwaitStops(FakeInterpreter& child, size_t count) {
  std::vector<uint64_t> stopped;
  while (stopped.size() < count) {
    stopped.push_back(child.AwaitStop().serial());
  }
  return stopped;
}

TEST_F(LaneStopTest, OneTimerStopsEachWhenItsOwnTimeHasPassed) {
  FakeInterpreter child = OpenReady(IoConfig());
  const auto never = NewTask(), later = NewTask(), soon = NewTask();
  later->limits.wall_ns = 30 * kSoon;
  soon->limits.wall_ns = 20 * kSoon;
  // The timer is set anew for a limit that passes sooner.
  for (const auto& task : {never, later, soon}) Start(child, task);
  EXPECT_THAT(AwaitStops(child, 2), ElementsAre(soon->serial, later->serial));
  // And for one that comes when the others' limits have passed.
  const auto last = NewTask();
  last->limits.wall_ns = 20 * kSoon;
  Start(child, last);
  EXPECT_THAT(AwaitStops(child, 1), ElementsAre(last->serial));
}

TEST_F(LaneStopTest, OneThatHasEndedIsNotStoppedByTheTimerThatWasSetForIt) {
  FakeInterpreter child = OpenReady(IoConfig());
  const auto quick = NewTask(), slow = NewTask();
  quick->limits.wall_ns = 60 * kSoon;
  slow->limits.wall_ns = 80 * kSoon;
  const internal::StartTask start = StartAndBegin(child, quick);
  Start(child, slow);
  child.End(start, internal::CODE_SUCCEEDED);
  EXPECT_EQ(AwaitOutcome(quick).ending, Ending::kSucceeded);
  EXPECT_THAT(AwaitStops(child, 1), ElementsAre(slow->serial));
}

TEST_F(LaneStopTest, AnOverrunInTheCpuLaneKillsItsInterpreterAlone) {
  Lane::Config config = CpuConfig();
  config.slots = 2;
  slots_.kills_work = false;
  Open(config);
  FakeInterpreter child = ReadyAgain(0);
  FakeInterpreter neighbour = ReadyAgain(1);
  auto other = NewTask();
  const internal::StartTask other_start = StartAndBegin(neighbour, other);

  auto task = NewTask();
  task->limits.wall_ns = 20 * kNsPerMs;
  const internal::StartTask start = StartAndBegin(child, task);
  child.Begin(start, /*process_cpu_ns=*/1000);
  child.Print(start, "so far");
  child.row(0)->lock.takes = 3;
  child.header()->holder_serial = task->serial;
  child.header()->holder_since_ns = NowNs();

  const FakeSlots::Kill kill = slots_.AwaitKill(0);
  EXPECT_EQ(kill.signal, SIGKILL);
  EXPECT_EQ(kill.generation, child.generation());
  child.CloseChannel();
  slots_.Ended(0, {.generation = kill.generation,
                   .wait_status = Signaled(SIGKILL),
                   .user_cpu_ns = 4000,
                   .system_cpu_ns = 500,
                   .peak_memory_bytes = 77});
  const Outcome outcome = AwaitOutcome(task);
  EXPECT_EQ(outcome.ending, Ending::kTimedOut);
  EXPECT_EQ(outcome.evidence.limit, "wall");
  EXPECT_EQ(outcome.evidence.allowed, task->limits.wall_ns);
  EXPECT_GE(outcome.evidence.used, task->limits.wall_ns);
  // A killed task still tells what it cost.
  EXPECT_EQ(outcome.out, "so far");
  EXPECT_EQ(outcome.usage.cpu_ns, 3500);
  EXPECT_EQ(outcome.usage.peak_memory_bytes, 77);
  EXPECT_TRUE(outcome.usage.run_ns.has_value());
  EXPECT_TRUE(outcome.usage.dispatch_ns.has_value());
  ASSERT_TRUE(outcome.lock.has_value());
  EXPECT_EQ(outcome.lock->takes, 3u);
  EXPECT_GT(outcome.lock->hold_ns, 0);

  ReadyAgain(0);
  EXPECT_THAT(Restarts(0), Contains(Pair("timed_out", 1)));
  EXPECT_TRUE(Restarts(1).empty());
  neighbour.End(other_start, internal::CODE_SUCCEEDED);
  EXPECT_EQ(AwaitOutcome(other).ending, Ending::kSucceeded);
}

TEST_F(LaneStopTest, ACancelInTheCpuLaneKills) {
  FakeInterpreter child = OpenReady(CpuConfig());
  auto task = NewTask();
  StartAndBegin(child, task);
  lane_->Cancel(task->serial);
  EXPECT_EQ(AwaitOutcome(task).ending, Ending::kCancelled);
  ReadyAgain();
  EXPECT_THAT(Restarts(), Contains(Pair("cancelled", 1)));
}

TEST_F(LaneStopTest, ATaskThatEndedBeforeTheKillReachedItEndedByItself) {
  slots_.kills_work = false;
  FakeInterpreter child = OpenReady(CpuConfig());
  auto task = NewTask();
  const internal::StartTask start = StartAndBegin(child, task);
  lane_->Cancel(task->serial);
  slots_.AwaitKill(0);
  child.End(start, internal::CODE_SUCCEEDED);
  Die(child, Signaled(SIGKILL));
  EXPECT_EQ(AwaitOutcome(task).ending, Ending::kSucceeded);
}

TEST_F(LaneStopTest, AnEndThatLiesThereWhenTheTimeIsUpCostsNoInterpreter) {
  FakeInterpreter child = OpenReady(CpuConfig());
  auto task = NewTask();
  task->limits.wall_ns = 1;
  testing::Pause pause(&poller_);
  const internal::StartTask start = StartAndBegin(child, task);
  child.End(start, internal::CODE_SUCCEEDED);
  pause.End();
  EXPECT_EQ(AwaitOutcome(task).ending, Ending::kSucceeded);
  EXPECT_EQ(slots_.kills(0), 0u);
}

TEST_F(LaneStopTest, AnOverrunInTheIoLaneIsAskedToStopAndItsNeighboursGoOn) {
  FakeInterpreter child = OpenReady(IoConfig());
  auto neighbour = NewTask();
  const internal::StartTask neighbour_start = StartAndBegin(child, neighbour);
  auto task = NewTask();
  task->limits.wall_ns = kSoon;
  const internal::StartTask start = StartAndBegin(child, task);
  const internal::StopTask stop = child.AwaitStop();
  EXPECT_EQ(stop.serial(), task->serial);
  child.End(start, internal::CODE_STOPPED);
  const Outcome outcome = AwaitOutcome(task);
  EXPECT_EQ(outcome.ending, Ending::kTimedOut);
  EXPECT_EQ(outcome.evidence.limit, "wall");
  EXPECT_GE(outcome.evidence.used, kSoon);
  child.End(neighbour_start, internal::CODE_SUCCEEDED);
  EXPECT_EQ(AwaitOutcome(neighbour).ending, Ending::kSucceeded);
  EXPECT_EQ(slots_.kills(0), 0u);
}

TEST_F(LaneStopTest, ACancelInTheIoLaneIsAskedToStop) {
  FakeInterpreter child = OpenReady(IoConfig());
  auto task = NewTask();
  const internal::StartTask start = StartAndBegin(child, task);
  lane_->Cancel(task->serial);
  EXPECT_EQ(child.AwaitStop().serial(), task->serial);
  child.End(start, internal::CODE_STOPPED);
  EXPECT_EQ(AwaitOutcome(task).ending, Ending::kCancelled);
}

TEST_F(LaneStopTest, TheFirstWhoAsksToStopIsTheCause) {
  FakeInterpreter child = OpenReady(IoConfig());
  auto task = NewTask();
  task->limits.wall_ns = kSoon;
  const internal::StartTask start = StartAndBegin(child, task);
  EXPECT_EQ(child.AwaitStop().serial(), task->serial);
  lane_->Cancel(task->serial);
  Settle();
  child.End(start, internal::CODE_STOPPED);
  EXPECT_EQ(AwaitOutcome(task).ending, Ending::kTimedOut);
}

TEST_F(LaneStopTest, AStoppedTaskThatSucceedsHasSucceeded) {
  FakeInterpreter child = OpenReady(IoConfig());
  auto task = NewTask();
  const internal::StartTask start = StartAndBegin(child, task);
  lane_->Cancel(task->serial);
  child.AwaitStop();
  child.End(start, internal::CODE_SUCCEEDED);
  EXPECT_EQ(AwaitOutcome(task).ending, Ending::kSucceeded);
}

TEST_F(LaneStopTest, ACancelOfATaskThatHasEndedIsNothing) {
  FakeInterpreter child = OpenReady(CpuConfig());
  auto task = NewTask();
  child.End(StartAndBegin(child, task), internal::CODE_SUCCEEDED);
  AwaitOutcome(task);
  lane_->Cancel(task->serial);
  lane_->Cancel(4711);
  Settle();
  EXPECT_EQ(slots_.kills(0), 0u);
}

TEST_F(LaneStopTest, ATaskThatWillNotStopCostsItsInterpreterAndItsNeighboursAreTold) {
  Lane::Config config = IoConfig();
  config.stop_grace_ns = 20 * kNsPerMs;
  FakeInterpreter child = OpenReady(config);
  auto begun = NewTask();
  StartAndBegin(child, begun);
  auto stuck = NewTask("stuck one");
  StartAndBegin(child, stuck);
  auto waiting = NewTask();
  Start(child, waiting);
  lane_->Cancel(stuck->serial);
  EXPECT_EQ(child.AwaitStop().serial(), stuck->serial);

  EXPECT_EQ(AwaitOutcome(stuck).ending, Ending::kCancelled);
  const Outcome neighbour = AwaitOutcome(begun);
  EXPECT_EQ(neighbour.ending, Ending::kInterpreterLost);
  EXPECT_THAT(neighbour.evidence.detail, HasSubstr("'stuck one' (" + stuck->id + ")"));
  EXPECT_FALSE(neighbour.evidence.safe_to_retry);
  const Outcome not_begun = AwaitOutcome(waiting);
  EXPECT_EQ(not_begun.ending, Ending::kInterpreterLost);
  EXPECT_TRUE(not_begun.evidence.safe_to_retry);
  ReadyAgain();
  EXPECT_THAT(Restarts(), Contains(Pair("cancelled", 1)));
}

TEST_F(LaneStopTest, WhileAStoppedTaskIsOverdueTheSlotTakesNoTasks) {
  FakeInterpreter child = OpenReady(IoConfig());  // its grace never ends
  auto task = NewTask();
  const internal::StartTask start = StartAndBegin(child, task);
  lane_->Cancel(task->serial);
  child.AwaitStop();
  AwaitGones(1);
  EXPECT_FALSE(lane_->Run(0, NewTask()));
  EXPECT_FALSE(lane_->Serving(NowNs()));
  child.End(start, internal::CODE_STOPPED);
  AwaitReadies(2);
  EXPECT_TRUE(lane_->Run(0, NewTask()));
  EXPECT_TRUE(Restarts().empty());
}

}  // namespace
}  // namespace gild
