// Tasks that lie ready in a CPU interpreter while it is at another.
#include "gmock/gmock.h"
#include "tests/server/lane/lane_fixture.h"

namespace gild {
namespace {

using ::testing::ElementsAre;

class LaneAheadTest : public LaneTest {
 protected:
  static Lane::Config AheadConfig(int64_t patience_ns) {
    Lane::Config config = CpuConfig();
    config.ahead = 2;
    config.ahead_patience_ns = patience_ns;
    return config;
  }
};

TEST_F(LaneAheadTest, AsManyAsMayLieReadyAreTaken) {
  FakeInterpreter child = OpenReady(AheadConfig(kNever));
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(lane_->Run(0, NewTask()));
  EXPECT_FALSE(lane_->Run(0, NewTask()));
  EXPECT_EQ(lane_->Snapshot(NowNs())[0].running, 1);
}

TEST_F(LaneAheadTest, EachInItsTurnEndsAsItself) {
  FakeInterpreter child = OpenReady(AheadConfig(kNever));
  std::vector<std::shared_ptr<Task>> tasks = {NewTask(), NewTask(), NewTask()};
  for (const auto& task : tasks) ASSERT_TRUE(lane_->Run(0, task));
  for (const auto& task : tasks) {
    const internal::StartTask start = child.AwaitTask();
    EXPECT_EQ(start.serial(), task->serial);
    EXPECT_TRUE(Take(child.row(start.row()), start.serial()));
    child.End(start, internal::CODE_SUCCEEDED);
    EXPECT_EQ(AwaitOutcome(task).ending, Ending::kSucceeded);
  }
}

TEST_F(LaneAheadTest, WhatStillLiesThereAfterAWhileIsTakenBack) {
  FakeInterpreter child = OpenReady(AheadConfig(kSoon));
  const auto first = NewTask(), second = NewTask(), third = NewTask();
  // Whoever takes it first has it, however long the other waits.
  StartAndBegin(child, first);
  const internal::StartTask second_start = Start(child, second);
  EXPECT_TRUE(Take(child.row(second_start.row()), second->serial));
  const internal::StartTask third_start = Start(child, third);
  AwaitReturned({third->serial});
  EXPECT_FALSE(Take(child.row(third_start.row()), third->serial)) << "it would run twice";

  // Its row is free at once; the frame that lies there yet does not count for the next task in it.
  const auto fourth = NewTask();
  const internal::StartTask fourth_start = Start(child, fourth);
  EXPECT_EQ(fourth_start.row(), third_start.row());
  EXPECT_FALSE(Take(child.row(third_start.row()), third->serial));
  EXPECT_TRUE(Take(child.row(fourth_start.row()), fourth->serial));
  child.End(second_start, internal::CODE_SUCCEEDED);
  EXPECT_EQ(AwaitOutcome(second).ending, Ending::kSucceeded);
}

TEST_F(LaneAheadTest, OneThatIsCancelledComesBackAndItsInterpreterLives) {
  FakeInterpreter child = OpenReady(AheadConfig(kNever));
  const internal::StartTask start = StartAndBegin(child, NewTask());
  const auto cancelled = NewTask();
  Start(child, cancelled);
  lane_->Cancel(cancelled->serial);
  AwaitReturned({cancelled->serial});
  EXPECT_TRUE(Restarts().empty());
  EXPECT_EQ(lane_->Snapshot(NowNs())[0].state, InterpreterState::kReady);
}

TEST_F(LaneAheadTest, ACancelOfOneWhoseEndLiesThereUnreadDoesNotHitTheNext) {
  FakeInterpreter child = OpenReady(AheadConfig(kNever));
  const auto ended = NewTask(), next = NewTask();
  const internal::StartTask start = StartAndBegin(child, ended);
  const internal::StartTask next_start = Start(child, next);
  EXPECT_TRUE(Take(child.row(next_start.row()), next->serial));
  child.Begin(next_start);
  // The poller is here, and does not read.
  poller_.Do([&] {
    child.End(start, internal::CODE_SUCCEEDED);
    lane_->Cancel(ended->serial);
  });
  EXPECT_EQ(AwaitOutcome(ended).ending, Ending::kSucceeded);
  child.End(next_start, internal::CODE_SUCCEEDED);
  EXPECT_EQ(AwaitOutcome(next).ending, Ending::kSucceeded);
  EXPECT_TRUE(Restarts().empty());
}

TEST_F(LaneAheadTest, OneWhoseWallTimePassesInLineIsNotTimedOut) {
  FakeInterpreter child = OpenReady(AheadConfig(kNever));
  StartAndBegin(child, NewTask());
  const auto task = NewTask();
  task->limits.wall_ns = kSoon;
  Start(child, task);
  AwaitReturned({task->serial});
}

TEST_F(LaneAheadTest, TheyComeBackWhenTheirInterpreterDiesOfAnother) {
  FakeInterpreter child = OpenReady(AheadConfig(kNever));
  const auto first = NewTask(), second = NewTask(), third = NewTask();
  StartAndBegin(child, first);
  const internal::StartTask begun = Start(child, second);  // the first has ended unheard
  EXPECT_TRUE(Take(child.row(begun.row()), second->serial));
  child.Begin(begun);
  Start(child, third);
  Die(child, Signaled(SIGSEGV));
  EXPECT_EQ(AwaitOutcome(second).ending, Ending::kCrashed);
  EXPECT_EQ(AwaitOutcome(first).ending, Ending::kCrashed);
  AwaitReturned({third->serial});
}

TEST_F(LaneAheadTest, TheyComeBackBeforeTheirInterpreterIsDead) {
  slots_.kills_work = false;
  FakeInterpreter child = OpenReady(AheadConfig(kNever));
  const auto first = NewTask(), second = NewTask();
  StartAndBegin(child, first);
  const internal::StartTask ready = Start(child, second);
  lane_->Cancel(first->serial);
  AwaitReturned({second->serial});
  EXPECT_FALSE(Take(child.row(ready.row()), second->serial)) << "it would die with the first";
  slots_.AwaitKill(0);
  Die(child, Signaled(SIGKILL));
  EXPECT_EQ(AwaitOutcome(first).ending, Ending::kCancelled);
}

TEST_F(LaneAheadTest, TheyComeBackWhenOneLeavesSomethingBehind) {
  FakeInterpreter child = OpenReady(AheadConfig(kNever));
  const auto first = NewTask(), second = NewTask();
  const internal::StartTask start = StartAndBegin(child, first);
  Start(child, second);
  internal::TaskEnded ended = FakeInterpreter::Ended(start, internal::CODE_SUCCEEDED);
  ended.set_processes_left(true);
  child.End(ended);
  EXPECT_EQ(AwaitOutcome(first).ending, Ending::kSucceeded);
  AwaitReturned({second->serial});
}

}  // namespace
}  // namespace gild
