// Which slot a task gets: by kind, by seat, ahead of its turn.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "server/scheduler/scheduler.h"
#include "tests/server/scheduler/scheduler_fixture.h"

namespace gild {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Not;

// Two cores, each with a slot for ordinary tasks and one for those that may start processes.
class SeatTest : public SchedulerTest {
 protected:
  void Open(int cores, int ahead = 0) {
    for (int i = 0; i < cores; ++i) {
      scheduler().SlotReady(LaneKind::kCpu, i, {.threads = 1, .ahead = ahead, .seat = i}, 0);
      scheduler().SlotReady(LaneKind::kCpu, kSub + i,
                            {.threads = 1, .ahead = ahead, .kind = {.subprocess = true}, .seat = i}, 0);
    }
  }
  static Task SubTask() {
    Task task = CpuTask();
    task.allow_subprocess = true;
    return task;
  }
  static constexpr int kSub = 10;
};

TEST_F(SeatTest, EachGoesToASlotOfItsKind) {
  Open(2);
  Submit(SubTask());
  Submit(CpuTask());
  EXPECT_THAT(cpu_.Slots(), ElementsAre(kSub + 0, 1));
}

TEST_F(SeatTest, OfTheSlotsOfACoreOneRunsAtATime) {
  Open(1);
  const uint64_t first = Submit(CpuTask());
  const uint64_t sub = Submit(SubTask());
  const uint64_t third = Submit(CpuTask());
  EXPECT_THAT(cpu_.Started(), ElementsAre(first));
  End(first);
  EXPECT_THAT(cpu_.Started(), ElementsAre(first, sub)) << "the one that waited longer";
  End(sub);
  EXPECT_THAT(cpu_.Started(), ElementsAre(first, sub, third));
}

TEST_F(SeatTest, NothingIsPutAheadOfOneThatWaitsForTheCore) {
  Open(1, /*ahead=*/8);
  Outcome quick;
  quick.started = true;
  quick.usage.run_ns = 10 * kNsPerUs;
  scheduler().Ended({{Submit(CpuTask()), quick}}, 0);
  const uint64_t runs = Submit(CpuTask());
  Submit(CpuTask());
  EXPECT_EQ(cpu_.starts.size(), 3u) << "it lies ready";
  Submit(SubTask());
  Submit(CpuTask());
  EXPECT_EQ(cpu_.starts.size(), 3u);
  scheduler().Ended({{runs, quick}}, 0);
  EXPECT_EQ(cpu_.starts.size(), 3u) << "another runs now";
}

TEST_F(SeatTest, AnInterpreterThatGoesGivesItsSeatAway) {
  Open(1);
  const uint64_t first = Submit(CpuTask());
  const uint64_t sub = Submit(SubTask());
  scheduler().SlotGone(LaneKind::kCpu, 0);
  EXPECT_THAT(cpu_.Started(), ElementsAre(first)) << "its task has not ended yet";
  End(first, 0, Ending::kCrashed);
  EXPECT_THAT(cpu_.Started(), ElementsAre(first, sub));
}

// One core, with a slot for ordinary tasks and a stock of two that serve one task each.
class FreshSlotTest : public SchedulerTest {
 protected:
  void Open(int ahead = 0) {
    scheduler().SlotReady(LaneKind::kCpu, 0, {.threads = 1, .ahead = ahead, .seat = 0}, 0);
    Refill(kFresh);
    Refill(kFresh + 1);
  }
  void Refill(int slot) {
    scheduler().SlotReady(LaneKind::kCpu, slot, {.threads = 1, .kind = {.fresh = true}, .seat = 0}, 0);
  }
  // As its lane says it: the interpreter is on its way out before the task's end is told.
  void EndFresh(int slot, uint64_t serial) {
    scheduler().SlotGone(LaneKind::kCpu, slot);
    End(serial);
  }
  static Task FreshTask() {
    Task task = CpuTask();
    task.fresh = true;
    return task;
  }
  static constexpr int kFresh = 20;
};

TEST_F(FreshSlotTest, TheStockServesOneAfterTheOther) {
  Open();
  const uint64_t first = Submit(FreshTask()), second = Submit(FreshTask()), third = Submit(FreshTask());
  EXPECT_THAT(cpu_.Slots(), ElementsAre(kFresh)) << "one core";
  EndFresh(kFresh, first);
  EXPECT_THAT(cpu_.Slots(), ElementsAre(kFresh, kFresh + 1));
  EndFresh(kFresh + 1, second);
  EXPECT_THAT(cpu_.Started(), ElementsAre(first, second)) << "used up";
  Refill(kFresh + 1);
  EXPECT_THAT(cpu_.Started(), ElementsAre(first, second, third));
  EXPECT_EQ(cpu_.Slots().back(), kFresh + 1);
}

TEST_F(FreshSlotTest, OthersDoNotWaitForTheStock) {
  Open();
  EndFresh(kFresh, Submit(FreshTask()));
  EndFresh(kFresh + 1, Submit(FreshTask()));
  Submit(FreshTask());
  const uint64_t other = Submit(CpuTask());
  EXPECT_EQ(cpu_.Started().back(), other);
  EXPECT_EQ(cpu_.Slots().back(), 0);
}

TEST_F(FreshSlotTest, WhoWaitsForTheStockKeepsNobodyFromLyingReady) {
  Open(/*ahead=*/8);
  Outcome quick;
  quick.started = true;
  quick.usage.run_ns = 10 * kNsPerUs;
  scheduler().Ended({{Submit(CpuTask()), quick}}, 0);
  EndFresh(kFresh, Submit(FreshTask()));
  EndFresh(kFresh + 1, Submit(FreshTask()));
  const uint64_t waits = Submit(FreshTask());
  Submit(CpuTask());
  const size_t before = cpu_.starts.size();
  Submit(CpuTask());
  EXPECT_EQ(cpu_.starts.size(), before + 1) << "it lies ready";
  Refill(kFresh);
  Submit(CpuTask());
  EXPECT_EQ(cpu_.starts.size(), before + 1) << "now the seat is waited for";
  EXPECT_THAT(cpu_.Started(), ::testing::Not(::testing::Contains(waits)));
}

TEST_F(FreshSlotTest, EachAsksForItsKindWholly) {
  Open();
  Task both = FreshTask();
  both.allow_subprocess = true;
  const uint64_t serial = Submit(std::move(both));
  EXPECT_THAT(cpu_.starts, IsEmpty());
  scheduler().SlotReady(LaneKind::kCpu, 30, {.threads = 1, .kind = {.subprocess = true, .fresh = true}, .seat = 0}, 0);
  EXPECT_THAT(cpu_.Started(), ElementsAre(serial));
  EXPECT_THAT(cpu_.Slots(), ElementsAre(30));
}

// A lane of one slot whose tasks have taken so long.
class AheadTest : public SchedulerTest {
 protected:
  void Open(int64_t run_ns, int ahead) {
    scheduler().SlotReady(LaneKind::kCpu, 0, {.threads = 1, .ahead = ahead}, 0);
    EndAfter(Submit(CpuTask()), run_ns);
    cpu_.starts.clear();
  }
  void EndAfter(uint64_t serial, int64_t run_ns) {
    Outcome outcome;
    outcome.started = true;
    outcome.usage.run_ns = run_ns;
    scheduler().Ended({{serial, outcome}}, 0);
  }
};

TEST_F(AheadTest, ShortTasksLieReadyBehindTheOneThatRuns) {
  Open(10 * kNsPerUs, 2);
  for (int i = 0; i < 5; ++i) Submit(CpuTask());
  EXPECT_EQ(cpu_.starts.size(), 3u);
  EXPECT_EQ(Lane(LaneKind::kCpu).running, 1);
  EXPECT_EQ(Lane(LaneKind::kCpu).queued, 4);
  EndAfter(cpu_.starts[0].serial, 10 * kNsPerUs);
  EXPECT_EQ(cpu_.starts.size(), 4u);
}

TEST_F(AheadTest, NoMoreLieReadyThanTakeAMoment) {
  Open(kAheadNs / 3, 31);
  for (int i = 0; i < 9; ++i) Submit(CpuTask());
  EXPECT_EQ(cpu_.starts.size(), 1u + 3u);
}

TEST_F(AheadTest, LongTasksAndUnknownOnesWaitForAFreeThread) {
  Open(kAheadNs + 1, 31);
  for (int i = 0; i < 3; ++i) Submit(CpuTask());
  EXPECT_EQ(cpu_.starts.size(), 1u);
}

TEST_F(AheadTest, AFreeSlotComesFirst) {
  Open(10 * kNsPerUs, 31);
  scheduler().SlotReady(LaneKind::kCpu, 1, {.threads = 1, .ahead = 31}, 0);
  for (int i = 0; i < 4; ++i) Submit(CpuTask());
  EXPECT_THAT(cpu_.Slots(), ElementsAre(0, 1, 0, 1));
}

TEST_F(AheadTest, ATaskWithLimitsThatItsSlotKeepsHasTheSlotToItself) {
  Open(10 * kNsPerUs, 2);
  Task limited = CpuTask();
  limited.limits.memory_bytes = 1;
  const uint64_t first = Submit(CpuTask()), waits = Submit(limited);
  EXPECT_THAT(cpu_.Started(), Contains(first));
  EXPECT_THAT(cpu_.Started(), Not(Contains(waits))) << "nor does it lie ready";
  End(first);
  EXPECT_THAT(cpu_.Started(), Contains(waits));
  const uint64_t next = Submit(CpuTask());
  EXPECT_THAT(cpu_.Started(), Not(Contains(next)));
  End(waits);
  EXPECT_THAT(cpu_.Started(), Contains(next));
  EXPECT_THAT(cpu_.Started(), Contains(Submit(CpuTask()))) << "which lies ready behind it";
}

TEST_F(AheadTest, ALargeTaskNeverLiesReady) {
  Open(10 * kNsPerUs, 2);
  Task large = CpuTask();
  large.code = std::string(kLargeTaskBytes, ' ');
  const uint64_t first = Submit(CpuTask()), waits = Submit(large);
  EXPECT_THAT(cpu_.Started(), Not(Contains(waits)));
  End(first);
  EXPECT_THAT(cpu_.Started(), Contains(waits));
  EXPECT_THAT(cpu_.Started(), Contains(Submit(CpuTask()))) << "others lie ready behind it";
}

TEST_F(AheadTest, WhatComesBackWaitsInItsPlaceForASlotThatMoves) {
  Open(10 * kNsPerUs, 2);
  const uint64_t runs = Submit(CpuTask()), first = Submit(CpuTask()), second = Submit(CpuTask());
  const uint64_t third = Submit(CpuTask());
  scheduler().Returned({second, first}, 0);
  EXPECT_THAT(cpu_.Started(), ElementsAre(runs, first, second)) << "not to where they came from";
  EXPECT_EQ(Lane(LaneKind::kCpu).queued, 3);
  scheduler().SlotReady(LaneKind::kCpu, 1, {.threads = 1, .ahead = 2}, 0);
  EXPECT_THAT(cpu_.Started(), ElementsAre(runs, first, second, first, second, third));
  EXPECT_THAT(cpu_.Slots(), ElementsAre(0, 0, 0, 1, 1, 1));
  EndAfter(runs, 10 * kNsPerUs);
  EndAfter(first, 10 * kNsPerUs);
  EXPECT_EQ(outcomes_.size(), 3u);
}

TEST_F(AheadTest, OneThatIsCancelledEndsWhenItComesBack) {
  Open(10 * kNsPerUs, 1);
  Submit(CpuTask());
  const uint64_t cancelled = Submit(CpuTask());
  scheduler().Cancel(cancelled, 0);
  EXPECT_THAT(cpu_.cancels, ElementsAre(cancelled));
  scheduler().Returned({cancelled}, 0);
  EXPECT_EQ(outcomes_.at(cancelled).ending, Ending::kCancelled);
  EXPECT_TRUE(outcomes_.at(cancelled).evidence.safe_to_retry);
}

TEST_F(AheadTest, OneThatComesBackDuringItsHandOverIsNotLost) {
  Open(10 * kNsPerUs, 1);
  Submit(CpuTask());
  cpu_.on_run = [this](int, const Task& task) {
    scheduler().Returned({task.serial}, 0);
    return true;
  };
  const uint64_t serial = Submit(CpuTask());
  EXPECT_EQ(Lane(LaneKind::kCpu).queued, 1);
  cpu_.on_run = nullptr;
  scheduler().SlotReady(LaneKind::kCpu, 1, {.threads = 1}, 0);
  EXPECT_EQ(cpu_.starts.back().serial, serial);
  EXPECT_EQ(cpu_.starts.back().slot, 1);
}

TEST_F(AheadTest, OneThatComesBackDuringItsHandOverStartsWhereThereIsRoom) {
  Open(10 * kNsPerUs, 1);
  Submit(CpuTask());
  cpu_.on_run = [this](int slot, const Task& task) {
    if (slot == 1) return true;
    // There is room by now, and nothing further happens that would have the scheduler look.
    scheduler().SlotReady(LaneKind::kCpu, 1, {.threads = 1}, 0);
    scheduler().Returned({task.serial}, 0);
    return true;
  };
  const uint64_t serial = Submit(CpuTask());
  EXPECT_EQ(cpu_.starts.back().serial, serial);
  EXPECT_EQ(cpu_.starts.back().slot, 1);
  EXPECT_EQ(Lane(LaneKind::kCpu).queued, 0);
}

TEST_F(AheadTest, AfterADrainsGraceOneThatComesBackIsLost) {
  Open(10 * kNsPerUs, 1);
  Submit(CpuTask());
  const uint64_t serial = Submit(CpuTask());
  scheduler().Drain();
  scheduler().EndWaiting(0);
  scheduler().Returned({serial}, 0);
  EXPECT_EQ(outcomes_.at(serial).ending, Ending::kInterpreterLost);
}

}  // namespace
}  // namespace gild
