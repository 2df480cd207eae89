// Whose slot is whose, and when it changes hands.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "server/scheduler/scheduler.h"
#include "tests/server/scheduler/scheduler_fixture.h"

namespace gild {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class PrincipalTest : public SchedulerTest {
 protected:
  void CpuReady(int slots) {
    for (int slot = 0; slot < slots; ++slot) SlotReady(slot);
  }
  void SlotReady(int slot, int64_t now_ns = 0) { scheduler().SlotReady(LaneKind::kCpu, slot, {.threads = 1}, now_ns); }

  static Task Of(const std::string& principal, Task task = CpuTask()) {
    task.principal = principal;
    return task;
  }
  // The slot that it started in last; -1: it has not.
  static int SlotOf(const FakeLane& lane, uint64_t serial) {
    int slot = -1;
    for (const FakeLane::Start& start : lane.starts) {
      if (start.serial == serial) slot = start.slot;
    }
    return slot;
  }
  int SlotOf(uint64_t serial) const { return SlotOf(cpu_, serial); }
};

TEST_F(PrincipalTest, ASlotThatSomebodyHasUsedIsNobodyElses) {
  CpuReady(2);
  End(Submit(Of("ann")));
  const uint64_t bob = Submit(Of("bob"));
  EXPECT_EQ(SlotOf(bob), 1);
  End(bob);
  // Each keeps his own, though both are idle.
  EXPECT_EQ(SlotOf(Submit(Of("bob"))), 1);
  EXPECT_EQ(SlotOf(Submit(Of("ann"))), 0);
  EXPECT_THAT(cpu_.replaced, IsEmpty());
}

TEST_F(PrincipalTest, WithoutASlotOneClaimsAnIdleOneWhichIsReplacedFirst) {
  CpuReady(1);
  End(Submit(Of("ann")));
  const uint64_t bob = Submit(Of("bob"));
  EXPECT_THAT(cpu_.replaced, ElementsAre(0));
  EXPECT_EQ(SlotOf(bob), -1) << "its interpreter is still Ann's";
  scheduler().SlotGone(LaneKind::kCpu, 0);
  SlotReady(0);
  EXPECT_EQ(SlotOf(bob), 0);
  EXPECT_THAT(cpu_.replaced, ElementsAre(0)) << "once";
}

TEST_F(PrincipalTest, AnInterpreterThatReportsReadyWhileItIsReplacedGetsNothing) {
  CpuReady(1);
  End(Submit(Of("ann")));
  // As one does that was stopped and takes tasks again: the word was on its way.
  cpu_.on_replace = [this](int slot) {
    SlotReady(slot);
    EXPECT_EQ(cpu_.starts.size(), 1u);
    // From here on it refuses.
    cpu_.on_run = [](int, const Task&) { return false; };
  };
  const uint64_t bob = Submit(Of("bob"));
  EXPECT_EQ(outcomes_.count(bob), 0u);
  EXPECT_EQ(Lane(LaneKind::kCpu).queued, 1);
  cpu_.on_run = nullptr;
  SlotReady(0);
  EXPECT_EQ(SlotOf(bob), 0);
  EXPECT_EQ(Lane(LaneKind::kCpu).running, 1);
}

TEST_F(PrincipalTest, OfIdleSlotsTheOneIdleForTheLongestIsClaimed) {
  CpuReady(3);
  std::vector<uint64_t> tasks;
  for (const char* who : {"ann", "bob", "cy"}) tasks.push_back(Submit(Of(who)));
  End(tasks[1], 10);
  End(tasks[0], 20);
  End(tasks[2], 30);
  Submit(Of("dan"), 40);
  EXPECT_THAT(cpu_.replaced, ElementsAre(1));
}

TEST_F(PrincipalTest, ABusyPrincipalKeepsItsFairShare) {
  CpuReady(4);
  std::vector<uint64_t> ann;
  for (int i = 0; i < 6; ++i) ann.push_back(Submit(Of("ann")));
  std::vector<uint64_t> bob;
  for (int i = 0; i < 4; ++i) bob.push_back(Submit(Of("bob")));
  // Ann's were first.
  End(ann[0]);
  EXPECT_EQ(SlotOf(ann[4]), 0);
  End(ann[1]);
  EXPECT_EQ(SlotOf(ann[5]), 1);
  // From now on each slot that gets free is claimed, until Bob has two of the four.
  for (int i = 0; i < 4; ++i) ann.push_back(Submit(Of("ann")));
  End(ann[2]);
  EXPECT_THAT(cpu_.replaced, ElementsAre(2));
  End(ann[3]);
  EXPECT_THAT(cpu_.replaced, ElementsAre(2, 3));
  End(ann[4]);
  EXPECT_EQ(SlotOf(ann[6]), 0) << "Bob has his share";
  SlotReady(2);
  SlotReady(3);
  EXPECT_EQ(SlotOf(bob[0]), 2);
  EXPECT_EQ(SlotOf(bob[1]), 3);
  End(bob[0]);
  EXPECT_EQ(SlotOf(bob[2]), 2);
  EXPECT_THAT(cpu_.replaced, ElementsAre(2, 3));
}

TEST_F(PrincipalTest, OneWithoutTasksHasNoShare) {
  CpuReady(2);
  const uint64_t ann = Submit(Of("ann"));
  End(Submit(Of("bob")));
  const uint64_t second = Submit(Of("ann"));
  EXPECT_THAT(cpu_.replaced, ElementsAre(1)) << "Ann is the only one who has something to do";
  SlotReady(1);
  EXPECT_EQ(SlotOf(second), 1);
  EXPECT_EQ(SlotOf(ann), 0);
}

TEST_F(PrincipalTest, WithMorePrincipalsThanSlotsTheyTakeTurns) {
  CpuReady(1);
  const uint64_t ann = Submit(Of("ann"));
  const uint64_t bob = Submit(Of("bob"));
  const uint64_t cy = Submit(Of("cy"));
  const uint64_t later = Submit(Of("ann"));
  End(ann);
  EXPECT_THAT(cpu_.replaced, ElementsAre(0)) << "although Ann has another task";
  SlotReady(0);
  End(bob);
  SlotReady(0);
  End(cy);
  SlotReady(0);
  EXPECT_THAT(cpu_.Started(), ElementsAre(ann, bob, cy, later));
  EXPECT_THAT(cpu_.replaced, ElementsAre(0, 0, 0));
}

TEST_F(PrincipalTest, NothingLiesReadyInASlotThatIsToChangeHands) {
  const Scheduler::Capacity capacity = {.threads = 1, .ahead = 4};
  scheduler().SlotReady(LaneKind::kCpu, 0, capacity, 0);
  End(Submit(Of("ann")), 1);  // tasks are short
  const uint64_t running = Submit(Of("ann"));
  const uint64_t ready = Submit(Of("ann"));
  Submit(Of("bob"));
  Submit(Of("ann"));
  EXPECT_EQ(cpu_.starts.size(), 3u);
  End(running);
  EXPECT_THAT(cpu_.replaced, IsEmpty());
  End(ready);
  EXPECT_THAT(cpu_.replaced, ElementsAre(0));
}

TEST_F(PrincipalTest, AnInterpreterThatRunsOneTaskIsNobodys) {
  Scheduler::Capacity capacity = {.threads = 1};
  capacity.kind.fresh = true;
  scheduler().SlotReady(LaneKind::kCpu, 0, capacity, 0);
  for (const char* who : {"ann", "bob", "ann"}) {
    Task task = Of(who);
    task.fresh = true;
    const uint64_t serial = Submit(task);
    EXPECT_EQ(SlotOf(serial), 0);
    End(serial);
    scheduler().SlotGone(LaneKind::kCpu, 0);
    scheduler().SlotReady(LaneKind::kCpu, 0, capacity, 0);
  }
  EXPECT_THAT(cpu_.replaced, IsEmpty());
}

TEST_F(PrincipalTest, ManyThreadsAreOnesAndAreWaitedFor) {
  scheduler().SlotReady(LaneKind::kIo, 0, {.threads = 8}, 0);
  const uint64_t first = Submit(Of("ann", IoTask()));
  const uint64_t second = Submit(Of("ann", IoTask()));
  const uint64_t bob = Submit(Of("bob", IoTask()));
  const uint64_t late = Submit(Of("ann", IoTask()));
  EXPECT_THAT(io_.Started(), ElementsAre(first, second)) << "threads are free, but Bob waits";
  End(first);
  EXPECT_THAT(io_.replaced, IsEmpty());
  End(second);
  EXPECT_THAT(io_.replaced, ElementsAre(0));
  scheduler().SlotReady(LaneKind::kIo, 0, {.threads = 8}, 0);
  End(bob);
  EXPECT_THAT(io_.replaced, ElementsAre(0, 0));
  scheduler().SlotReady(LaneKind::kIo, 0, {.threads = 8}, 0);
  EXPECT_EQ(SlotOf(io_, late), 0);
}

TEST_F(PrincipalTest, AClaimThatGoesAwayKeepsNobody) {
  for (int way = 0; way < 3; ++way) {
    SCOPED_TRACE(way);
    scheduler_.reset();
    io_.starts.clear();
    outcomes_.clear();
    scheduler().SlotReady(LaneKind::kIo, 0, {.threads = 8}, 0);
    Submit(Of("ann", IoTask()));
    Task short_of_patience = Of("bob", IoTask());
    short_of_patience.limits.queue_ns = 100;
    const uint64_t bob = Submit(short_of_patience);
    const uint64_t late = Submit(Of("ann", IoTask()));
    EXPECT_EQ(SlotOf(io_, late), -1);
    if (way == 0) scheduler().Cancel(bob, 0);
    if (way == 1) scheduler().Pause({bob}, 0);
    if (way == 2) scheduler().Expire(100);
    EXPECT_EQ(SlotOf(io_, late), 0);
  }
}

TEST_F(PrincipalTest, NothingLiesReadyOnASeatWhoseOtherSlotIsClaimed) {
  const Scheduler::Capacity plain = {.threads = 1, .ahead = 4, .seat = 0};
  Scheduler::Capacity sub = {.threads = 1, .seat = 0};
  sub.kind.subprocess = true;
  scheduler().SlotReady(LaneKind::kCpu, 0, plain, 0);
  scheduler().SlotReady(LaneKind::kCpu, 1, sub, 0);
  Task with_processes = Of("ann");
  with_processes.allow_subprocess = true;
  End(Submit(with_processes), 1);
  End(Submit(Of("ann")), 1);  // tasks are short
  const uint64_t running = Submit(Of("ann"));
  with_processes.principal = "bob";
  const uint64_t bob = Submit(with_processes);
  const uint64_t later = Submit(Of("ann"));
  EXPECT_EQ(SlotOf(later), -1) << "Bob waits for this seat";
  End(running, 2);
  EXPECT_THAT(cpu_.replaced, ElementsAre(1));
  scheduler().SlotReady(LaneKind::kCpu, 1, sub, 2);
  End(later, 3);
  EXPECT_EQ(SlotOf(bob), 1);
}

TEST_F(PrincipalTest, SessionsOfASlotThatChangesHandsBeginAnew) {
  scheduler().SlotReady(LaneKind::kIo, 0, {.threads = 8}, 0);
  const auto end_in = [this](const char* interpreter, uint64_t serial) {
    Outcome outcome;
    outcome.usage.interpreter = interpreter;
    outcome.usage.run_ns = 1;
    scheduler().Ended({{serial, outcome}}, 0);
  };
  std::vector<uint64_t> numbers;
  io_.on_run = [&](int, const Task& task) {
    numbers.push_back(task.session_number);
    return true;
  };
  const uint64_t ann = Submit(Of("ann", SessionTask("s")));
  const uint64_t bob = Submit(Of("bob", SessionTask("s")));
  const uint64_t again = Submit(Of("ann", SessionTask("s")));
  end_in("io-0#1", ann);
  EXPECT_EQ(SlotOf(io_, again), -1);
  scheduler().SlotReady(LaneKind::kIo, 0, {.threads = 8}, 0);
  end_in("io-0#2", bob);
  scheduler().SlotReady(LaneKind::kIo, 0, {.threads = 8}, 0);
  end_in("io-0#3", again);
  ASSERT_EQ(numbers.size(), 3u);
  EXPECT_EQ(numbers[0], numbers[2]);
  EXPECT_NE(numbers[0], numbers[1]) << "one name, but of two principals";
  EXPECT_EQ(outcomes_.at(again).warnings.size(), 1u) << "her globals were lost";
  EXPECT_THAT(outcomes_.at(bob).warnings, IsEmpty());
}

TEST_F(PrincipalTest, TheQueuesBoundHoldsWhereASlotIsKeptForAnother) {
  Bound(2, 1 << 20);
  scheduler().SlotReady(LaneKind::kIo, 0, {.threads = 8}, 0);
  Submit(Of("ann", IoTask()));
  Submit(Of("bob", IoTask()));
  Submit(Of("ann", IoTask()));
  EXPECT_EQ(std::get<Refusal>(TrySubmit(Of("ann", IoTask()))).reason, Refusal::Reason::kQueueFull);
}

TEST_F(PrincipalTest, OneWhoLeavesIsForgotten) {
  CpuReady(1);
  // More than anybody would keep a list of, each with a task that ends and one that is given up.
  for (int i = 0; i < 1000; ++i) {
    const std::string who = "p" + std::to_string(i);
    const uint64_t runs = Submit(Of(who));
    scheduler().Cancel(Submit(Of(who)), 0);
    SlotReady(0);
    EXPECT_EQ(SlotOf(runs), 0);
    End(runs);
  }
  EXPECT_EQ(cpu_.replaced.size(), 999u);
  EXPECT_TRUE(scheduler().Idle());
}

}  // namespace
}  // namespace gild
