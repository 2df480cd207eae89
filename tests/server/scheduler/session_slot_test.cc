// Where the tasks of a session run.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "server/scheduler/scheduler.h"
#include "tests/server/scheduler/scheduler_fixture.h"

namespace gild {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class SessionSlotTest : public SchedulerTest {
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

TEST_F(SessionSlotTest, ItsTasksAllGoToOneSlot) {
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

TEST_F(SessionSlotTest, SessionsAreSpreadOverIdleSlots) {
  Ready(2, 4);
  for (const char* name : {"a", "b", "c", "d"}) End(Submit(SessionTask(name)));
  EXPECT_THAT(io_.Slots(), ElementsAre(0, 1, 0, 1));
}

TEST_F(SessionSlotTest, TheNumberGoesDownWithTheTask) {
  Ready(1, 9);
  std::vector<uint64_t> numbers;
  io_.on_run = [&](int, const Task& task) {
    numbers.push_back(task.session_number);
    return true;
  };
  for (const char* name : {"a", "b", "a", ""}) Submit(SessionTask(name));
  EXPECT_THAT(numbers, ElementsAre(1, 2, 1, 0));
}

TEST_F(SessionSlotTest, InTheCpuLaneThereAreNone) {
  Ready(1, 1);
  Task task = CpuTask();
  task.session = "a";
  Submit(task);
  EXPECT_THAT(scheduler().SessionsNow(0).live, IsEmpty());
}

TEST_F(SessionSlotTest, ItsTasksWaitForTheirSlotAndNobodyBehindThem) {
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

TEST_F(SessionSlotTest, ASlotThatHasRoomAgainTakesTheOldestThatMayRunThere) {
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

TEST_F(SessionSlotTest, TasksThatCameBeforeTheirSessionHadASlotFollowTheFirstOfThem) {
  Ready(0, 0);
  const uint64_t a1 = Submit(SessionTask("a")), a2 = Submit(SessionTask("a")), a3 = Submit(SessionTask("a"));
  const uint64_t b = Submit(IoTask());
  scheduler().SlotReady(LaneKind::kIo, 5, {.threads = 1}, 0);
  EXPECT_THAT(io_.Started(), ElementsAre(a1));
  scheduler().SlotReady(LaneKind::kIo, 1, {.threads = 1}, 0);
  EXPECT_THAT(io_.Started(), ElementsAre(a1, b));
  // In whichever queue they are: one can be stopped and one be paused.
  scheduler().Cancel(a2, 0);
  scheduler().Pause({a3}, 0);
  EXPECT_EQ(Lane(LaneKind::kIo).queued, 1);
  End(a1);
  EXPECT_EQ(SlotOf(a3), -1);
  scheduler().Resume({a3}, 0);
  EXPECT_EQ(SlotOf(a3), 5);
  EXPECT_EQ(Lane(LaneKind::kIo).queued_bytes, 0);
}

TEST_F(SessionSlotTest, ItsTasksWaitWhileTheirSlotIsGone) {
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

TEST_F(SessionSlotTest, WhatStartsAtOnceInItsSlotIsNotBoundByTheQueue) {
  Ready(2, 2);
  Submit(SessionTask("a"));
  Submit(SessionTask("b"));
  Submit(SessionTask("a"));
  for (int i = 0; i < 8; ++i) Submit(SessionTask("a"));
  EXPECT_EQ(std::get<Refusal>(TrySubmit(SessionTask("a"))).reason, Refusal::Reason::kQueueFull);
  EXPECT_NE(SlotOf(Submit(SessionTask("b"))), -1);
  EXPECT_EQ(std::get<Refusal>(TrySubmit(SessionTask("b"))).reason, Refusal::Reason::kQueueFull);
}

TEST_F(SessionSlotTest, AnIdleOneIsForgottenWhereItWas) {
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

TEST_F(SessionSlotTest, OneWhoseTaskWaitsIsNotForgotten) {
  Ready(1, 1);
  End(Submit(SessionTask("a")));
  const uint64_t other = Submit(IoTask());
  Submit(SessionTask("a"));
  scheduler().Expire(1000);
  EXPECT_THAT(io_.forgets, IsEmpty());
  End(other, 1000);
  EXPECT_EQ(io_.starts.size(), 3u);
}

TEST_F(SessionSlotTest, AFullTableForgetsTheOneIdleForTheLongest) {
  Ready(1, 9);
  for (const char* name : {"a", "b", "c", "d"}) End(Submit(SessionTask(name)));
  Submit(SessionTask("a"));
  EXPECT_THAT(io_.forgets, IsEmpty());
  Submit(SessionTask("e"));
  ASSERT_EQ(io_.forgets.size(), 1u);
  EXPECT_THAT(io_.forgets[0].second, ElementsAre(2));
}

TEST_F(SessionSlotTest, AFullTableWithoutAnIdleOneRefuses) {
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

TEST_F(SessionSlotTest, WhatIsNotYetGoneIsBoundedToo) {
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

TEST_F(SessionSlotTest, GlobalsLostWithTheirInterpreterAreToldInTheNextOutcome) {
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
