// Time is a number the tests choose; the lanes are fakes that note what they are told.
#include "server/scheduler/scheduler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <optional>
#include <tuple>
#include <vector>

namespace gild {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

struct FakeLane {
  struct Start {
    int slot;
    uint64_t serial;
  };
  std::vector<Start> starts;
  std::vector<uint64_t> cancels;
  std::vector<std::pair<int, std::vector<uint64_t>>> forgets;
  std::vector<std::tuple<int, uint64_t, uint64_t, uint64_t>> peeks;  // slot, serial, after which bytes
  std::function<bool(int slot, const Task& task)> on_run;            // empty: takes everything
  bool has_sessions = true;

  Scheduler::LanePort Port() {
    return {.run =
                [this](int slot, const std::shared_ptr<const Task>& task) {
                  starts.push_back({slot, task->serial});
                  return on_run ? on_run(slot, *task) : true;
                },
            .cancel = [this](uint64_t serial) { cancels.push_back(serial); },
            .peek =
                [this](int slot, uint64_t serial, OutputPoint after) {
                  peeks.push_back({slot, serial, after.out_bytes, after.err_bytes});
                  return Glimpse{.out = "printed"};
                },
            .forget =
                [this](int slot, const std::vector<uint64_t>& sessions) {
                  forgets.emplace_back(slot, sessions);
                  return has_sessions;
                }};
  }

  std::vector<uint64_t> Started() const {
    std::vector<uint64_t> serials;
    for (const Start& start : starts) serials.push_back(start.serial);
    return serials;
  }
  std::vector<int> Slots() const {
    std::vector<int> slots;
    for (const Start& start : starts) slots.push_back(start.slot);
    return slots;
  }
};

class SchedulerTest : public testing::Test {
 protected:
  static Task CpuTask() {
    Task task;
    task.tag = Tag::kCpu;
    task.lane = LaneKind::kCpu;
    task.code = "pass";
    return task;
  }
  static Task IoTask() {
    Task task = CpuTask();
    task.tag = Tag::kIo;
    task.lane = LaneKind::kIo;
    return task;
  }

  static Task SessionTask(const std::string& session) {
    Task task = IoTask();
    task.session = session;
    return task;
  }

  void Bound(int64_t tasks, int64_t bytes) {
    scheduler_.emplace(io_.Port(), cpu_.Port(), Scheduler::Bounds{.queued_tasks = tasks, .queued_bytes = bytes});
  }

  Scheduler& scheduler() {
    if (!scheduler_) scheduler_.emplace(io_.Port(), cpu_.Port(), Scheduler::Bounds{});
    return *scheduler_;
  }

  std::variant<uint64_t, Refusal> TrySubmit(Task task, int64_t now_ns = 0) {
    return scheduler().Submit(
        std::move(task),
        [this](const Task& ended, Outcome outcome) {
          EXPECT_TRUE(outcomes_.emplace(ended.serial, std::move(outcome)).second) << "done twice: " << ended.serial;
        },
        now_ns);
  }
  uint64_t Submit(Task task, int64_t now_ns = 0) { return std::get<uint64_t>(TrySubmit(std::move(task), now_ns)); }

  void End(uint64_t serial, int64_t now_ns = 0, Ending ending = Ending::kSucceeded) {
    Outcome outcome;
    outcome.ending = ending;
    outcome.started = true;
    scheduler().Ended({{serial, outcome}}, now_ns);
  }

  LaneSnapshot Lane(LaneKind lane) { return scheduler().Lanes()[lane == LaneKind::kIo ? 0 : 1]; }

  FakeLane io_;
  FakeLane cpu_;
  std::map<uint64_t, Outcome> outcomes_;
  std::optional<Scheduler> scheduler_;
};

using PlacementTest = SchedulerTest;
using AdmissionTest = SchedulerTest;
using StopTest = SchedulerTest;
using ExpiryTest = SchedulerTest;
using DrainTest = SchedulerTest;
using PeekTest = SchedulerTest;

class SessionTest : public SchedulerTest {
 protected:
  // With so many I/O slots of so many threads, all ready.
  void Ready(int slots, int threads, Sessions::Bounds bounds = {.sessions = 4, .idle_ns = 100}) {
    scheduler_.emplace(io_.Port(), cpu_.Port(), Scheduler::Bounds{.queued_tasks = 8, .sessions = bounds});
    for (int slot = 0; slot < slots; ++slot) scheduler().SlotReady(LaneKind::kIo, slot, {.threads = threads}, 0);
  }
  void EndIn(const std::string& interpreter, uint64_t serial, int64_t now_ns = 0) {
    Outcome outcome;
    outcome.started = true;
    outcome.usage.interpreter = interpreter;
    outcome.usage.run_ns = 1;
    scheduler().Ended({{serial, outcome}}, now_ns);
  }
  int SlotOf(uint64_t serial) {
    for (const FakeLane::Start& start : io_.starts) {
      if (start.serial == serial) return start.slot;
    }
    return -1;
  }
};

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

TEST_F(AheadTest, AfterADrainsGraceOneThatComesBackIsLost) {
  Open(10 * kNsPerUs, 1);
  Submit(CpuTask());
  const uint64_t serial = Submit(CpuTask());
  scheduler().Drain();
  scheduler().EndWaiting(0);
  scheduler().Returned({serial}, 0);
  EXPECT_EQ(outcomes_.at(serial).ending, Ending::kInterpreterLost);
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
  scheduler().Pause({a, b, 99});
  EXPECT_EQ(Lane(LaneKind::kCpu).queued, 3);
  scheduler().SlotReady(LaneKind::kCpu, 0, {.threads = 1}, 0);
  EXPECT_THAT(cpu_.Started(), ElementsAre(c));
  scheduler().Pause({c});  // runs: too late
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

TEST_F(SessionTest, ItsTasksAllGoToOneSlot) {
  Ready(2, 4);
  const uint64_t a = Submit(SessionTask("a"));
  const uint64_t b = Submit(SessionTask("b"));
  EXPECT_THAT(io_.Slots(), ElementsAre(0, 1));
  // Wherever there is more room.
  End(a);
  EXPECT_EQ(SlotOf(Submit(SessionTask("b"))), SlotOf(b));
  EXPECT_EQ(SlotOf(Submit(SessionTask("b"))), SlotOf(b));
  EXPECT_EQ(SlotOf(Submit(IoTask())), SlotOf(a));
}

TEST_F(SessionTest, SessionsAreSpreadOverIdleSlots) {
  Ready(2, 4);
  for (const char* name : {"a", "b", "c", "d"}) End(Submit(SessionTask(name)));
  EXPECT_THAT(io_.Slots(), ElementsAre(0, 1, 0, 1));
}

TEST_F(SessionTest, TheNumberGoesDownWithTheTask) {
  Ready(1, 9);
  std::vector<uint64_t> numbers;
  io_.on_run = [&](int, const Task& task) {
    numbers.push_back(task.session_number);
    return true;
  };
  for (const char* name : {"a", "b", "a", ""}) Submit(SessionTask(name));
  EXPECT_THAT(numbers, ElementsAre(1, 2, 1, 0));
}

TEST_F(SessionTest, InTheCpuLaneThereAreNone) {
  Ready(1, 1);
  Task task = CpuTask();
  task.session = "a";
  Submit(task);
  EXPECT_THAT(scheduler().SessionsNow(0).live, IsEmpty());
}

TEST_F(SessionTest, ItsTasksWaitForTheirSlotAndNobodyBehindThem) {
  Ready(2, 1);
  const uint64_t a1 = Submit(SessionTask("a"));
  const uint64_t a2 = Submit(SessionTask("a"));
  const uint64_t other = Submit(IoTask());
  EXPECT_THAT(io_.Started(), ElementsAre(a1, other));
  EXPECT_EQ(Lane(LaneKind::kIo).queued, 1);
  End(other);
  EXPECT_EQ(SlotOf(a2), -1) << "the other slot is not its own";
  End(a1);
  EXPECT_EQ(SlotOf(a2), SlotOf(a1));
  EXPECT_EQ(Lane(LaneKind::kIo).queued, 0);
}

TEST_F(SessionTest, ASlotThatHasRoomAgainTakesTheOldestThatMayRunThere) {
  Ready(2, 1);
  const uint64_t a1 = Submit(SessionTask("a"));
  const uint64_t b1 = Submit(SessionTask("b"));
  const uint64_t a2 = Submit(SessionTask("a"));
  const uint64_t any = Submit(IoTask());
  const uint64_t b2 = Submit(SessionTask("b"));
  End(b1);
  EXPECT_EQ(SlotOf(any), 1) << "older than b2";
  End(a1);
  EXPECT_EQ(SlotOf(a2), 0);
  End(any);
  EXPECT_EQ(SlotOf(b2), 1);
  EXPECT_THAT(io_.Started(), ElementsAre(a1, b1, any, a2, b2));
}

TEST_F(SessionTest, TasksThatCameBeforeTheirSessionHadASlotFollowTheFirstOfThem) {
  Ready(0, 0);
  const uint64_t a1 = Submit(SessionTask("a")), a2 = Submit(SessionTask("a")), a3 = Submit(SessionTask("a"));
  const uint64_t b = Submit(IoTask());
  scheduler().SlotReady(LaneKind::kIo, 5, {.threads = 1}, 0);
  EXPECT_THAT(io_.Started(), ElementsAre(a1));
  scheduler().SlotReady(LaneKind::kIo, 1, {.threads = 1}, 0);
  EXPECT_THAT(io_.Started(), ElementsAre(a1, b));
  // In whichever queue they are: one can be stopped and one be paused.
  scheduler().Cancel(a2, 0);
  scheduler().Pause({a3});
  EXPECT_EQ(Lane(LaneKind::kIo).queued, 1);
  End(a1);
  EXPECT_EQ(SlotOf(a3), -1);
  scheduler().Resume({a3}, 0);
  EXPECT_EQ(SlotOf(a3), 5);
  EXPECT_EQ(Lane(LaneKind::kIo).queued_bytes, 0);
}

TEST_F(SessionTest, ItsTasksWaitWhileTheirSlotIsGone) {
  Ready(2, 4);
  const uint64_t a1 = Submit(SessionTask("a"));
  End(a1);
  scheduler().SlotGone(LaneKind::kIo, SlotOf(a1));
  const uint64_t a2 = Submit(SessionTask("a"));
  EXPECT_NE(SlotOf(Submit(IoTask())), -1);
  EXPECT_EQ(SlotOf(a2), -1);
  scheduler().SlotReady(LaneKind::kIo, SlotOf(a1), {.threads = 4}, 0);
  EXPECT_EQ(SlotOf(a2), SlotOf(a1));
}

TEST_F(SessionTest, WhatStartsAtOnceInItsSlotIsNotBoundByTheQueue) {
  Ready(2, 2);
  Submit(SessionTask("a"));
  Submit(SessionTask("b"));
  Submit(SessionTask("a"));
  for (int i = 0; i < 8; ++i) Submit(SessionTask("a"));
  EXPECT_EQ(std::get<Refusal>(TrySubmit(SessionTask("a"))).reason, Refusal::Reason::kQueueFull);
  EXPECT_NE(SlotOf(Submit(SessionTask("b"))), -1);
  EXPECT_EQ(std::get<Refusal>(TrySubmit(SessionTask("b"))).reason, Refusal::Reason::kQueueFull);
}

TEST_F(SessionTest, AnIdleOneIsForgottenWhereItWas) {
  Ready(2, 4);
  End(Submit(SessionTask("a")), 10);
  const uint64_t b = Submit(SessionTask("b"));
  scheduler().Expire(109);
  EXPECT_THAT(io_.forgets, IsEmpty());
  scheduler().Expire(110);
  ASSERT_EQ(io_.forgets.size(), 1u);
  EXPECT_EQ(io_.forgets[0].first, 0);
  EXPECT_THAT(io_.forgets[0].second, ElementsAre(1));
  End(b, 200);
  scheduler().Expire(299);
  EXPECT_EQ(scheduler().SessionsNow(0).live.size(), 1u);
  EXPECT_EQ(scheduler().SessionsNow(0).forgotten_idle, 1u);
}

TEST_F(SessionTest, OneWhoseTaskWaitsIsNotForgotten) {
  Ready(1, 1);
  End(Submit(SessionTask("a")));
  const uint64_t other = Submit(IoTask());
  Submit(SessionTask("a"));
  scheduler().Expire(1000);
  EXPECT_THAT(io_.forgets, IsEmpty());
  End(other, 1000);
  EXPECT_EQ(io_.starts.size(), 3u);
}

TEST_F(SessionTest, AFullTableForgetsTheOneIdleForTheLongest) {
  Ready(1, 9);
  for (const char* name : {"a", "b", "c", "d"}) End(Submit(SessionTask(name)));
  Submit(SessionTask("a"));
  EXPECT_THAT(io_.forgets, IsEmpty());
  Submit(SessionTask("e"));
  ASSERT_EQ(io_.forgets.size(), 1u);
  EXPECT_THAT(io_.forgets[0].second, ElementsAre(2));
}

TEST_F(SessionTest, AFullTableWithoutAnIdleOneRefuses) {
  Ready(1, 9);
  const uint64_t a = Submit(SessionTask("a"));
  for (const char* name : {"b", "c", "d"}) Submit(SessionTask(name));
  const auto refused = std::get<Refusal>(TrySubmit(SessionTask("e")));
  EXPECT_EQ(refused.reason, Refusal::Reason::kSessionsFull);
  EXPECT_GT(refused.retry_after_ns, 0);
  Submit(SessionTask("a"));
  Submit(IoTask());
  scheduler().Cancel(a, 0);
  End(a);
  EXPECT_EQ(std::get<Refusal>(TrySubmit(SessionTask("e"))).reason, Refusal::Reason::kSessionsFull) << "a has another";
}

TEST_F(SessionTest, WhatIsNotYetGoneIsBoundedToo) {
  Ready(1, 9);
  for (const char* name : {"a", "b", "c", "d", "e", "f", "g", "h"}) End(Submit(SessionTask(name)));
  EXPECT_EQ(std::get<Refusal>(TrySubmit(SessionTask("i"))).reason, Refusal::Reason::kSessionsFull);
  scheduler().SessionsGone(1);
  End(Submit(SessionTask("i")));
  // Without an interpreter that has them they are gone at once.
  scheduler().SessionsGone(4);
  io_.has_sessions = false;
  for (int i = 0; i < 20; ++i) End(Submit(SessionTask("s" + std::to_string(i))));
}

TEST_F(SessionTest, GlobalsLostWithTheirInterpreterAreToldInTheNextOutcome) {
  Ready(1, 9);
  const uint64_t a = Submit(SessionTask("a")), lost = Submit(SessionTask("a"));
  EndIn("io-0#1", a);
  EndIn("io-0#1", lost);
  const uint64_t next = Submit(SessionTask("a")), one_more = Submit(SessionTask("a")), other = Submit(SessionTask("b"));
  EndIn("io-0#2", next);
  EndIn("io-0#2", one_more);
  EndIn("io-0#2", other);
  EXPECT_THAT(outcomes_.at(next).warnings, ElementsAre(testing::HasSubstr("lost with its interpreter")));
  for (const uint64_t serial : {a, lost, one_more, other}) EXPECT_THAT(outcomes_.at(serial).warnings, IsEmpty());
}

TEST(RefusalTest, NamesAreDistinct) {
  EXPECT_STREQ(Name(Refusal::Reason::kSessionsFull), "sessions_full");
  EXPECT_STREQ(Name(Refusal::Reason::kQueueFull), "queue_full");
  EXPECT_STREQ(Name(Refusal::Reason::kQueueBytesFull), "queue_bytes_full");
  EXPECT_STREQ(Name(Refusal::Reason::kDraining), "draining");
}

}  // namespace
}  // namespace gild
