// Admission, order, stops and endings.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "server/scheduler/scheduler.h"
#include "tests/server/scheduler/scheduler_fixture.h"

namespace gild {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

using PlacementTest = SchedulerTest;
using AdmissionTest = SchedulerTest;
using StopTest = SchedulerTest;
using ExpiryTest = SchedulerTest;
using DrainTest = SchedulerTest;
using PeekTest = SchedulerTest;

TEST_F(PlacementTest, ATaskStartsAtOnceInAFreeSlotOfItsLane) {
  scheduler().SlotReady(LaneKind::kIo, 0, {.threads = 4}, 0);
  scheduler().SlotReady(LaneKind::kCpu, 0, {.threads = 1}, 0);
  const uint64_t cpu = Submit(CpuTask());
  const uint64_t io = Submit(IoTask());
  EXPECT_THAT(cpu_.Started(), ElementsAre(cpu));
  EXPECT_THAT(io_.Started(), ElementsAre(io));
}

TEST_F(PlacementTest, WithoutAReadySlotATaskWaits) {
  const uint64_t serial = Submit(CpuTask());
  EXPECT_THAT(cpu_.starts, IsEmpty());
  EXPECT_EQ(Lane(LaneKind::kCpu).queued, 1);
  scheduler().SlotReady(LaneKind::kCpu, 0, {.threads = 1}, 0);
  EXPECT_THAT(cpu_.Started(), ElementsAre(serial));
  EXPECT_EQ(Lane(LaneKind::kCpu).queued, 0);
  EXPECT_EQ(Lane(LaneKind::kCpu).queued_bytes, 0);
}

TEST_F(PlacementTest, AFullLaneMakesTheTaskWaitUntilOneEnds) {
  scheduler().SlotReady(LaneKind::kCpu, 0, {.threads = 1}, 0);
  const uint64_t first = Submit(CpuTask());
  const uint64_t second = Submit(CpuTask());
  EXPECT_THAT(cpu_.Started(), ElementsAre(first));
  End(first);
  EXPECT_THAT(cpu_.Started(), ElementsAre(first, second));
}

TEST_F(PlacementTest, WaitingTasksStartInTheOrderOfTheirArrival) {
  const uint64_t a = Submit(CpuTask()), b = Submit(CpuTask()), c = Submit(CpuTask());
  scheduler().SlotReady(LaneKind::kCpu, 0, {.threads = 1}, 0);
  End(a);
  End(b);
  EXPECT_THAT(cpu_.Started(), ElementsAre(a, b, c));
}

TEST_F(PeekTest, ATaskIsFoundByItsIdUntilItEnds) {
  Task task = CpuTask();
  task.id = "mine";
  Task other = CpuTask();
  other.id = "another";
  Submit(other);
  const uint64_t serial = Submit(task);
  EXPECT_EQ(scheduler().Find("mine"), serial) << "it waits";
  scheduler().SlotReady(LaneKind::kCpu, 0, {.threads = 2}, 0);
  EXPECT_EQ(scheduler().Find("mine"), serial) << "it runs";
  EXPECT_EQ(scheduler().Find("nobody's"), std::nullopt);
  End(serial);
  EXPECT_EQ(scheduler().Find("mine"), std::nullopt);
}

TEST_F(PeekTest, WhatATaskPrintsIsAskedOfItsSlot) {
  const uint64_t serial = Submit(IoTask());
  EXPECT_EQ(scheduler().Peek(serial, {}).out, "") << "it waits";
  scheduler().SlotReady(LaneKind::kIo, 7, {.threads = 1}, 0);
  EXPECT_EQ(scheduler().Peek(serial, {.out_bytes = 3, .err_bytes = 4}).out, "printed");
  EXPECT_THAT(io_.peeks, ElementsAre(std::tuple(7, serial, 3, 4)));
  End(serial);
  EXPECT_EQ(scheduler().Peek(serial, {}).out, "") << "it has ended";
  EXPECT_EQ(io_.peeks.size(), 1u);
  EXPECT_THAT(cpu_.peeks, IsEmpty());
}

TEST_F(PlacementTest, TheSlotWithTheLeastInFlightIsTaken) {
  scheduler().SlotReady(LaneKind::kIo, 0, {.threads = 4}, 0);
  scheduler().SlotReady(LaneKind::kIo, 1, {.threads = 4}, 0);
  const uint64_t a = Submit(IoTask());
  Submit(IoTask());
  End(a);
  Submit(IoTask());
  Submit(IoTask());
  EXPECT_THAT(io_.Slots(), ElementsAre(0, 1, 0, 0));
}

TEST_F(PlacementTest, PausedTasksKeepTheirPlaceAndLetOthersPass) {
  const uint64_t a = Submit(CpuTask()), b = Submit(CpuTask()), c = Submit(CpuTask());
  scheduler().Pause({a, b, 99}, 0);
  EXPECT_EQ(Lane(LaneKind::kCpu).queued, 3);
  scheduler().SlotReady(LaneKind::kCpu, 0, {.threads = 1}, 0);
  EXPECT_THAT(cpu_.Started(), ElementsAre(c));
  scheduler().Pause({c}, 0);  // runs: too late
  scheduler().Cancel(b, 0);
  EXPECT_EQ(Lane(LaneKind::kCpu).queued, 1);
  End(c);
  EXPECT_THAT(cpu_.Started(), ElementsAre(c));
  scheduler().Resume({a, b, c}, 0);
  EXPECT_THAT(cpu_.Started(), ElementsAre(c, a));
  End(a);
  EXPECT_TRUE(scheduler().Idle());
}

TEST_F(PlacementTest, ATaskOnTheEventLoopLeavesItsThreadToTheNext) {
  scheduler().SlotReady(LaneKind::kIo, 0, {.threads = 1, .loop_tasks = 2}, 0);
  const uint64_t a = Submit(IoTask()), b = Submit(IoTask()), c = Submit(IoTask()), d = Submit(IoTask());
  EXPECT_THAT(io_.Started(), ElementsAre(a));
  scheduler().OnLoop(a, 0);
  scheduler().OnLoop(a, 0);  // said once more: nothing changes
  EXPECT_THAT(io_.Started(), ElementsAre(a, b));
  scheduler().OnLoop(b, 0);
  EXPECT_THAT(io_.Started(), ElementsAre(a, b, c));
  // The loop is full: what leaves its thread now would find no room beside those.
  scheduler().OnLoop(c, 0);
  EXPECT_THAT(io_.Started(), ElementsAre(a, b, c));
  End(b);
  EXPECT_THAT(io_.Started(), ElementsAre(a, b, c, d));
  End(d);
  End(c);
  End(a);
  EXPECT_TRUE(scheduler().Idle());
  EXPECT_EQ(Lane(LaneKind::kIo).running, 0);
}

TEST_F(PlacementTest, OneLaneDoesNotHoldUpTheOther) {
  scheduler().SlotReady(LaneKind::kIo, 0, {.threads = 1}, 0);
  Submit(CpuTask());
  const uint64_t io = Submit(IoTask());
  EXPECT_THAT(io_.Started(), ElementsAre(io));
}

TEST_F(PlacementTest, ARefusedTaskIsFirstInTheQueueAgain) {
  cpu_.on_run = [](int, const Task&) { return false; };
  scheduler().SlotReady(LaneKind::kCpu, 0, {.threads = 1}, 0);
  const uint64_t first = Submit(CpuTask());
  const uint64_t second = Submit(CpuTask());
  cpu_.on_run = nullptr;
  scheduler().SlotReady(LaneKind::kCpu, 0, {.threads = 2}, 0);
  EXPECT_THAT(cpu_.Started(), ElementsAre(first, first, second));
}

TEST_F(PlacementTest, ASlotThatRefusesIsGoneUntilItIsReadyAgain) {
  scheduler().SlotReady(LaneKind::kCpu, 0, {.threads = 1}, 0);
  scheduler().SlotReady(LaneKind::kCpu, 1, {.threads = 1}, 0);
  cpu_.on_run = [](int slot, const Task&) { return slot != 0; };
  Submit(CpuTask());
  Submit(CpuTask());
  EXPECT_THAT(cpu_.Slots(), ElementsAre(0, 1));  // the refused task went on to slot 1, the next one waits
  EXPECT_EQ(Lane(LaneKind::kCpu).queued, 1);
  cpu_.on_run = nullptr;
  scheduler().SlotReady(LaneKind::kCpu, 0, {.threads = 1}, 0);
  EXPECT_THAT(cpu_.Slots(), ElementsAre(0, 1, 0));
}

TEST_F(PlacementTest, ARefusalByAPredecessorDoesNotLoseTheReadySuccessor) {
  scheduler().SlotReady(LaneKind::kCpu, 0, {.threads = 1}, 0);
  bool first = true;
  cpu_.on_run = [&](int, const Task&) {
    if (!first) return true;
    first = false;
    scheduler().SlotGone(LaneKind::kCpu, 0);
    scheduler().SlotReady(LaneKind::kCpu, 0, {.threads = 1}, 0);
    return false;
  };
  const uint64_t serial = Submit(CpuTask());
  EXPECT_THAT(cpu_.Started(), ElementsAre(serial, serial));
  EXPECT_EQ(Lane(LaneKind::kCpu).running, 1);
}

TEST_F(PlacementTest, AGoneSlotGetsNothing) {
  scheduler().SlotReady(LaneKind::kCpu, 0, {.threads = 1}, 0);
  scheduler().SlotGone(LaneKind::kCpu, 0);
  Submit(CpuTask());
  EXPECT_THAT(cpu_.starts, IsEmpty());
}

TEST_F(PlacementTest, WhatAPredecessorStillRunsCountsAgainstTheSuccessor) {
  scheduler().SlotReady(LaneKind::kCpu, 0, {.threads = 1}, 0);
  const uint64_t first = Submit(CpuTask());
  scheduler().SlotGone(LaneKind::kCpu, 0);
  scheduler().SlotReady(LaneKind::kCpu, 0, {.threads = 1}, 0);
  const uint64_t second = Submit(CpuTask());
  EXPECT_THAT(cpu_.Started(), ElementsAre(first));
  End(first, 0, Ending::kInterpreterLost);
  EXPECT_THAT(cpu_.Started(), ElementsAre(first, second));
}

TEST_F(PlacementTest, ATaskMayEndBeforeRunReturns) {
  cpu_.on_run = [&](int, const Task& task) {
    End(task.serial);
    return true;
  };
  scheduler().SlotReady(LaneKind::kCpu, 0, {.threads = 1}, 0);
  const uint64_t serial = Submit(CpuTask());
  EXPECT_EQ(outcomes_.count(serial), 1);
  EXPECT_TRUE(scheduler().Idle());
  EXPECT_EQ(Lane(LaneKind::kCpu).running, 0);
}

TEST_F(AdmissionTest, BeyondTheBoundInTasksIsRefused) {
  Bound(2, 1 << 20);
  Submit(CpuTask());
  Submit(CpuTask());
  const auto refused = TrySubmit(CpuTask());
  ASSERT_TRUE(std::holds_alternative<Refusal>(refused));
  EXPECT_EQ(std::get<Refusal>(refused).reason, Refusal::Reason::kQueueFull);
  EXPECT_TRUE(std::holds_alternative<uint64_t>(TrySubmit(IoTask()))) << "each lane has its own bound";
}

TEST_F(AdmissionTest, BeyondTheBoundInBytesIsRefused) {
  Bound(100, 3 * CpuTask().Bytes());
  Submit(CpuTask());
  Submit(CpuTask());
  Task large = CpuTask();
  large.code.assign(10'000, ' ');
  const auto refused = TrySubmit(large);
  ASSERT_TRUE(std::holds_alternative<Refusal>(refused));
  EXPECT_EQ(std::get<Refusal>(refused).reason, Refusal::Reason::kQueueBytesFull);
  EXPECT_TRUE(std::holds_alternative<uint64_t>(TrySubmit(CpuTask())));
}

TEST_F(AdmissionTest, WhatIsInFlightCountsAsWell) {
  Task large = IoTask();
  large.code.assign(kLetByBytes + 1, ' ');
  Bound(100, 3 * large.Bytes());
  scheduler().SlotReady(LaneKind::kIo, 0, {.threads = 8}, 0);
  const uint64_t first = Submit(large);
  Submit(large);
  Submit(large);
  EXPECT_EQ(Lane(LaneKind::kIo).running, 3);
  const auto refused = TrySubmit(large);
  ASSERT_TRUE(std::holds_alternative<Refusal>(refused)) << "its thread is free, but the server would hold it";
  EXPECT_EQ(std::get<Refusal>(refused).reason, Refusal::Reason::kQueueBytesFull);
  EXPECT_GT(std::get<Refusal>(refused).retry_after_ns, 0);
  EXPECT_TRUE(std::holds_alternative<uint64_t>(TrySubmit(CpuTask()))) << "each lane has its own bound";
  const uint64_t small = Submit(IoTask());
  EXPECT_EQ(Lane(LaneKind::kIo).running, 4) << "a small one is taken where a thread is free";
  End(small);
  End(first);
  EXPECT_TRUE(std::holds_alternative<uint64_t>(TrySubmit(large)));
}

TEST_F(AdmissionTest, OneTaskLargerThanTheBoundMayHaveTheLaneToItself) {
  Bound(100, 1);
  const uint64_t large = Submit(CpuTask());
  EXPECT_TRUE(std::holds_alternative<Refusal>(TrySubmit(CpuTask())));
  scheduler().Cancel(large, 0);
  EXPECT_TRUE(std::holds_alternative<uint64_t>(TrySubmit(CpuTask())));
}

TEST_F(AdmissionTest, WhatStartsAtOnceIsNotBoundByTheQueue) {
  Bound(0, 0);
  scheduler().SlotReady(LaneKind::kCpu, 0, {.threads = 1}, 0);
  EXPECT_TRUE(std::holds_alternative<uint64_t>(TrySubmit(CpuTask())));
  EXPECT_TRUE(std::holds_alternative<Refusal>(TrySubmit(CpuTask())));
}

TEST_F(AdmissionTest, RetryAfterIsRunTimeTimesQueueOverCapacity) {
  Bound(4, 1 << 20);
  scheduler().SlotReady(LaneKind::kCpu, 0, {.threads = 1}, 0);
  scheduler().SlotReady(LaneKind::kCpu, 1, {.threads = 1}, 0);
  const uint64_t first = Submit(CpuTask(), 0);
  End(first, 400 * kNsPerMs);  // the average is now 400 ms
  for (int i = 0; i < 2 + 4; ++i) Submit(CpuTask(), kNsPerSecond);
  const auto refused = TrySubmit(CpuTask(), kNsPerSecond);
  EXPECT_EQ(std::get<Refusal>(refused).retry_after_ns, 800 * kNsPerMs);
}

TEST_F(AdmissionTest, RetryAfterStaysWithinItsClamps) {
  Bound(1, 1 << 20);
  Submit(CpuTask());
  EXPECT_EQ(std::get<Refusal>(TrySubmit(CpuTask())).retry_after_ns, 50 * kNsPerMs);

  scheduler().SlotReady(LaneKind::kCpu, 0, {.threads = 1}, 0);
  End(1, 3600 * kNsPerSecond);
  Submit(CpuTask());
  Submit(CpuTask());
  EXPECT_EQ(std::get<Refusal>(TrySubmit(CpuTask())).retry_after_ns, 5 * kNsPerSecond);
}

TEST_F(SchedulerTest, QueueTimeIsFromAcceptanceToHandOver) {
  const uint64_t serial = Submit(CpuTask(), 100);
  scheduler().SlotReady(LaneKind::kCpu, 0, {.threads = 1}, 350);
  End(serial, 900);
  EXPECT_EQ(outcomes_.at(serial).usage.queue_ns, 250);
}

TEST_F(SchedulerTest, WarningsOfTheTaskComeBeforeThoseOfTheLane) {
  scheduler().SlotReady(LaneKind::kCpu, 0, {.threads = 1}, 0);
  Task task = CpuTask();
  task.warnings = {"lowered"};
  const uint64_t serial = Submit(task);
  Outcome outcome;
  outcome.warnings = {"left threads"};
  scheduler().Ended({{serial, outcome}}, 0);
  EXPECT_THAT(outcomes_.at(serial).warnings, ElementsAre("lowered", "left threads"));
}

TEST_F(SchedulerTest, EndingsAreCountedByLane) {
  scheduler().SlotReady(LaneKind::kCpu, 0, {.threads = 1}, 0);
  End(Submit(CpuTask()));
  End(Submit(CpuTask()), 0, Ending::kRaised);
  const uint64_t waiting = Submit(IoTask());
  scheduler().Cancel(waiting, 0);
  EXPECT_THAT(Lane(LaneKind::kCpu).endings,
              ElementsAre(testing::Pair(Ending::kSucceeded, 1), testing::Pair(Ending::kRaised, 1)));
  EXPECT_THAT(Lane(LaneKind::kIo).endings, ElementsAre(testing::Pair(Ending::kCancelled, 1)));
}

TEST_F(SchedulerTest, ASecondEndingOfATaskIsIgnored) {
  scheduler().SlotReady(LaneKind::kCpu, 0, {.threads = 1}, 0);
  const uint64_t serial = Submit(CpuTask());
  End(serial);
  End(serial);
  End(4711);
  EXPECT_EQ(outcomes_.size(), 1);
}

TEST_F(StopTest, AWaitingTaskEndsAsCancelled) {
  const uint64_t serial = Submit(CpuTask(), 10);
  scheduler().Cancel(serial, 30);
  const Outcome& outcome = outcomes_.at(serial);
  EXPECT_EQ(outcome.ending, Ending::kCancelled);
  EXPECT_FALSE(outcome.started);
  EXPECT_TRUE(outcome.evidence.safe_to_retry);
  EXPECT_EQ(outcome.usage.queue_ns, 20);
  EXPECT_TRUE(scheduler().Idle());
}

TEST_F(StopTest, ARunningTaskIsStoppedByItsLane) {
  scheduler().SlotReady(LaneKind::kIo, 0, {.threads = 1}, 0);
  const uint64_t serial = Submit(IoTask());
  scheduler().Cancel(serial, 0);
  EXPECT_THAT(io_.cancels, ElementsAre(serial));
  EXPECT_THAT(outcomes_, IsEmpty());
}

TEST_F(StopTest, AWithdrawnTaskEndsWhereItWaitsAndGoesOnWhereItRuns) {
  scheduler().SlotReady(LaneKind::kCpu, 0, {.threads = 1}, 0);
  const uint64_t running = Submit(CpuTask());
  const uint64_t waiting = Submit(CpuTask());
  for (const uint64_t serial : {running, waiting, uint64_t{4711}}) scheduler().Withdraw(serial, 0);
  EXPECT_EQ(outcomes_.at(waiting).ending, Ending::kCancelled);
  EXPECT_TRUE(outcomes_.at(waiting).evidence.safe_to_retry);
  EXPECT_THAT(cpu_.cancels, IsEmpty());
  End(running);
  EXPECT_EQ(outcomes_.at(running).ending, Ending::kSucceeded);
}

TEST_F(StopTest, AnEndedTaskIsLeftAlone) {
  scheduler().SlotReady(LaneKind::kCpu, 0, {.threads = 1}, 0);
  const uint64_t serial = Submit(CpuTask());
  End(serial);
  scheduler().Cancel(serial, 0);
  scheduler().DeadlinePassed(serial, 0);
  EXPECT_THAT(cpu_.cancels, IsEmpty());
  EXPECT_EQ(outcomes_.at(serial).ending, Ending::kSucceeded);
}

TEST_F(StopTest, APassedDeadlineExpiresAWaitingTask) {
  const uint64_t serial = Submit(CpuTask());
  scheduler().DeadlinePassed(serial, 5);
  EXPECT_EQ(outcomes_.at(serial).ending, Ending::kExpired);
  EXPECT_TRUE(outcomes_.at(serial).evidence.safe_to_retry);
}

TEST_F(StopTest, APassedDeadlineStopsARunningTask) {
  scheduler().SlotReady(LaneKind::kCpu, 0, {.threads = 1}, 0);
  const uint64_t serial = Submit(CpuTask());
  scheduler().DeadlinePassed(serial, 5);
  EXPECT_THAT(cpu_.cancels, ElementsAre(serial));
}

TEST_F(StopTest, ACancelDuringTheHandOverReachesTheLaneAfterIt) {
  scheduler().SlotReady(LaneKind::kCpu, 0, {.threads = 1}, 0);
  cpu_.on_run = [&](int, const Task& task) {
    scheduler().Cancel(task.serial, 0);
    EXPECT_THAT(cpu_.cancels, IsEmpty());
    return true;
  };
  const uint64_t serial = Submit(CpuTask());
  EXPECT_THAT(cpu_.cancels, ElementsAre(serial));
}

TEST_F(StopTest, ACancelDuringARefusedHandOverEndsTheTask) {
  scheduler().SlotReady(LaneKind::kCpu, 0, {.threads = 1}, 0);
  cpu_.on_run = [&](int, const Task& task) {
    scheduler().Cancel(task.serial, 0);
    return false;
  };
  const uint64_t serial = Submit(CpuTask());
  EXPECT_EQ(outcomes_.at(serial).ending, Ending::kCancelled);
  EXPECT_THAT(cpu_.cancels, IsEmpty());
  EXPECT_EQ(Lane(LaneKind::kCpu).running, 0);
}

TEST_F(ExpiryTest, ATaskThatWaitedItsLimitExpires) {
  Task task = CpuTask();
  task.limits.queue_ns = 100;
  const uint64_t serial = Submit(task, 1000);
  scheduler().Expire(1099);
  EXPECT_THAT(outcomes_, IsEmpty());
  scheduler().Expire(1100);
  const Outcome& outcome = outcomes_.at(serial);
  EXPECT_EQ(outcome.ending, Ending::kExpired);
  EXPECT_TRUE(outcome.evidence.safe_to_retry);
  EXPECT_EQ(outcome.evidence.limit, "queue");
  EXPECT_EQ(outcome.evidence.allowed, 100);
  EXPECT_EQ(outcome.evidence.used, 100);
}

TEST_F(ExpiryTest, EachLaneExpiresItsOwn) {
  Task late = CpuTask();
  late.limits.queue_ns = 500;
  Task early = IoTask();
  early.limits.queue_ns = 200;
  const uint64_t second = Submit(late);
  const uint64_t first = Submit(early);
  scheduler().Expire(300);
  EXPECT_EQ(outcomes_.count(first), 1);
  EXPECT_EQ(outcomes_.count(second), 0);
  scheduler().Expire(500);
  EXPECT_EQ(outcomes_.count(second), 1);
}

TEST_F(ExpiryTest, ARunningTaskDoesNotExpire) {
  scheduler().SlotReady(LaneKind::kCpu, 0, {.threads = 1}, 0);
  Submit(CpuTask());
  scheduler().Expire(kQueueNsMax * 2);
  EXPECT_THAT(outcomes_, IsEmpty());
}

TEST_F(ExpiryTest, ARefusedTaskKeepsItsFirstExpiry) {
  cpu_.on_run = [](int, const Task&) { return false; };
  Task task = CpuTask();
  task.limits.queue_ns = 100;
  Submit(task, 0);
  scheduler().SlotReady(LaneKind::kCpu, 0, {.threads = 1}, 50);
}

TEST_F(DrainTest, NewTasksAreRefusedAndAcceptedOnesGoOn) {
  scheduler().SlotReady(LaneKind::kCpu, 0, {.threads = 1}, 0);
  const uint64_t running = Submit(CpuTask());
  const uint64_t waiting = Submit(CpuTask());
  scheduler().Drain();
  EXPECT_TRUE(scheduler().draining());
  EXPECT_EQ(std::get<Refusal>(TrySubmit(CpuTask())).reason, Refusal::Reason::kDraining);
  End(running);
  EXPECT_THAT(cpu_.Started(), ElementsAre(running, waiting));
  EXPECT_FALSE(scheduler().Idle());
  End(waiting);
  EXPECT_TRUE(scheduler().Idle());
}

TEST_F(DrainTest, TheEndOfTheGraceEndsWhatWaits) {
  scheduler().SlotReady(LaneKind::kCpu, 0, {.threads = 1}, 0);
  const uint64_t running = Submit(CpuTask());
  const uint64_t waiting = Submit(CpuTask());
  const uint64_t other = Submit(IoTask());
  scheduler().Drain();
  scheduler().EndWaiting(7);
  EXPECT_EQ(outcomes_.count(running), 0);
  for (const uint64_t serial : {waiting, other}) {
    EXPECT_EQ(outcomes_.at(serial).ending, Ending::kInterpreterLost);
    EXPECT_TRUE(outcomes_.at(serial).evidence.safe_to_retry);
    EXPECT_FALSE(outcomes_.at(serial).started);
  }
  End(running);
  EXPECT_TRUE(scheduler().Idle());
}

TEST_F(DrainTest, ATaskRefusedAfterTheGraceEndsAsWell) {
  scheduler().SlotReady(LaneKind::kCpu, 0, {.threads = 1}, 0);
  cpu_.on_run = [&](int, const Task&) {
    scheduler().EndWaiting(7);
    return false;
  };
  const uint64_t serial = Submit(CpuTask());
  EXPECT_EQ(outcomes_.at(serial).ending, Ending::kInterpreterLost);
  EXPECT_TRUE(scheduler().Idle());
}

}  // namespace
}  // namespace gild
