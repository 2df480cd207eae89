#include "server/lane/lane.h"

#include <random>

#include "gmock/gmock.h"
#include "tests/server/lane/lane_fixture.h"
#include "tests/server/seed.h"

namespace gild {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Pair;

// ---- a task's ordinary way ----

TEST_F(LaneTest, ATaskArrivesWholeAndItsEndComesBackWhole) {
  FakeInterpreter child = OpenReady(CpuConfig());
  auto task = NewTask("sum");
  task->entry = "main";
  task->arguments = {{Value::Kind::kJson, "1"}, {Value::Kind::kRaw, "raw"}};
  task->limits.cpu_ns = 5;
  task->limits.memory_bytes = 6;
  task->files = {{"in/a", std::string("\0\xff", 2)}};
  task->collect = {"out/*"};
  const internal::StartTask start = Start(child, task);
  EXPECT_EQ(start.code(), "pass");
  EXPECT_EQ(start.file_name(), "sum");
  EXPECT_EQ(start.entry(), "main");
  EXPECT_EQ(start.row(), 0u);
  ASSERT_EQ(start.arguments_size(), 2);
  EXPECT_EQ(start.arguments(0).json(), "1");
  EXPECT_EQ(start.arguments(1).raw(), "raw");
  EXPECT_EQ(start.cpu_ns(), 5);
  EXPECT_EQ(start.memory_bytes(), 6u);
  EXPECT_EQ(start.output_bytes(), static_cast<uint64_t>(kOutputBytesDefault));
  ASSERT_EQ(start.files_size(), 1);
  EXPECT_EQ(start.files(0).path(), "in/a");
  EXPECT_EQ(start.files(0).content(), std::string("\0\xff", 2));
  ASSERT_EQ(start.collect_size(), 1);
  EXPECT_EQ(start.collect(0), "out/*");

  child.Begin(start);
  child.Print(start, "hello");
  internal::TaskEnded ended = FakeInterpreter::Ended(start, internal::CODE_SUCCEEDED);
  ended.mutable_result()->set_json("3");
  ended.set_cpu_ns(11);
  ended.set_cpu_wait_ns(12);
  ended.set_peak_memory_bytes(13);
  ended.set_core(1);
  ended.set_lock_available(true);
  ended.set_lock_wait_ns(14);
  ended.set_lock_hold_ns(15);
  ended.set_lock_takes(16);
  ended.add_files()->set_path("out/ä");
  ended.mutable_files(0)->set_content("\xff");
  child.End(ended);

  const Outcome outcome = AwaitOutcome(task);
  EXPECT_EQ(outcome.ending, Ending::kSucceeded);
  EXPECT_TRUE(outcome.started);
  EXPECT_EQ(outcome.result.kind, Value::Kind::kJson);
  EXPECT_EQ(outcome.result.bytes, "3");
  EXPECT_EQ(outcome.out, "hello");
  EXPECT_EQ(outcome.usage.interpreter, "cpu-0#1");
  EXPECT_GE(outcome.usage.dispatch_ns, 0);
  EXPECT_GE(outcome.usage.run_ns, 0);
  EXPECT_EQ(outcome.usage.cpu_ns, 11);
  EXPECT_EQ(outcome.usage.cpu_wait_ns, 12);
  EXPECT_EQ(outcome.usage.peak_memory_bytes, 13);
  EXPECT_EQ(outcome.usage.core, 1);
  ASSERT_TRUE(outcome.lock.has_value());
  EXPECT_EQ(outcome.lock->wait_ns, 14);
  EXPECT_EQ(outcome.lock->hold_ns, 15);
  EXPECT_EQ(outcome.lock->takes, 16u);
  ASSERT_EQ(outcome.files.size(), 1u);
  EXPECT_EQ(outcome.files[0].path, "out/ä");
  EXPECT_EQ(outcome.files[0].content, "\xff");
  EXPECT_TRUE(outcome.warnings.empty());
}

TEST_F(LaneTest, WhatTheMeterCannotSeeIsUnavailable) {
  FakeInterpreter child = OpenReady(IoConfig());
  child.header()->meter_available = 0;
  auto task = NewTask();
  internal::TaskEnded ended = FakeInterpreter::Ended(StartAndBegin(child, task), internal::CODE_SUCCEEDED);
  ended.set_peak_memory_bytes(13);  // of the whole interpreter, so of no task
  child.End(ended);
  const Outcome outcome = AwaitOutcome(task);
  EXPECT_FALSE(outcome.lock.has_value());
  EXPECT_FALSE(outcome.usage.cpu_wait_ns.has_value());
  EXPECT_FALSE(outcome.usage.peak_memory_bytes.has_value());
  EXPECT_FALSE(lane_->Snapshot(NowNs())[0].lock.has_value());
}

TEST_F(LaneTest, ARowIsCleanForItsNextTask) {
  FakeInterpreter child = OpenReady(CpuConfig());
  auto first = NewTask();
  const internal::StartTask start = StartAndBegin(child, first);
  child.Print(start, "first");
  child.End(start, internal::CODE_SUCCEEDED);
  AwaitOutcome(first);
  auto second = NewTask();
  child.End(StartAndBegin(child, second), internal::CODE_SUCCEEDED);
  EXPECT_EQ(AwaitOutcome(second).out, "");
}

TEST_F(LaneTest, WhatARunningTaskPrintsCanBeReadAlong) {
  FakeInterpreter child = OpenReady(IoConfig(2));
  auto task = NewTask();
  const internal::StartTask start = Start(child, task);
  child.Print(start, "early");
  EXPECT_EQ(lane_->Peek(0, task->serial, {}).out, "") << "it has not begun";
  child.Begin(start);
  child.TellProgress(start, 3, 10);
  EXPECT_EQ(lane_->Peek(0, task->serial, {}).out, "early");
  EXPECT_EQ(lane_->Peek(0, task->serial, {.out_bytes = 3}).out, "ly");
  EXPECT_EQ(lane_->Peek(0, task->serial, {}).progress, (Progress{.done = 3, .total = 10}));

  auto neighbour = NewTask();
  StartAndBegin(child, neighbour);
  EXPECT_EQ(lane_->Peek(0, neighbour->serial, {}).out, "");
  child.End(start, internal::CODE_SUCCEEDED);
  EXPECT_EQ(AwaitOutcome(task).progress, (Progress{.done = 3, .total = 10}));
  EXPECT_EQ(lane_->Peek(0, task->serial, {}).out, "") << "its row may be another's";
}

TEST_F(LaneTest, WhatARunningTaskPrintsIsReadNoFartherThanItsLimit) {
  FakeInterpreter child = OpenReady(CpuConfig());
  auto task = NewTask();
  task->limits.output_bytes = 4;
  const internal::StartTask start = StartAndBegin(child, task);
  child.Print(start, "too much");
  EXPECT_EQ(lane_->Peek(0, task->serial, {}).out, "too ");
}

TEST_F(LaneTest, ATaskThatIsKilledLeavesItsProgressAndNothingToReadAlong) {
  FakeInterpreter child = OpenReady(CpuConfig());
  auto task = NewTask();
  const internal::StartTask start = StartAndBegin(child, task);
  child.Print(start, "last words");
  child.TellProgress(start, 9, 0);
  lane_->Cancel(task->serial);
  EXPECT_EQ(AwaitOutcome(task).progress, (Progress{.done = 9, .total = 0}));
  ReadyAgain();
  EXPECT_EQ(lane_->Peek(0, task->serial, {}).out, "");
}

TEST_F(LaneTest, AFullInterpreterTakesNoMore) {
  FakeInterpreter child = OpenReady(IoConfig(2));
  auto first = NewTask();
  auto second = NewTask();
  const internal::StartTask start = StartAndBegin(child, first);
  EXPECT_NE(StartAndBegin(child, second).row(), start.row());
  EXPECT_FALSE(lane_->Run(0, NewTask()));
  child.End(start, internal::CODE_SUCCEEDED);
  AwaitOutcome(first);
  EXPECT_TRUE(lane_->Run(0, NewTask()));
}

TEST_F(LaneTest, NothingRunsBeforeTheInterpreterIsReady) {
  Open(CpuConfig());
  const FakeInterpreter child = slots_.AwaitInterpreter(0);
  EXPECT_FALSE(lane_->Run(0, NewTask()));
  EXPECT_FALSE(lane_->Serving(NowNs()));
}

// ---- endings that the code itself makes ----

TEST_F(LaneTest, AnExceptionIsRaisedWithRepairedText) {
  FakeInterpreter child = OpenReady(CpuConfig());
  auto task = NewTask();
  internal::TaskEnded ended = FakeInterpreter::Ended(StartAndBegin(child, task), internal::CODE_RAISED);
  ended.set_error_type("ValueError");
  ended.set_error_message("bad \xFF byte");
  ended.set_error_traceback("cut \xE2\x82");
  ended.set_error_pickled("\x80");
  child.End(ended);
  const Outcome outcome = AwaitOutcome(task);
  EXPECT_EQ(outcome.ending, Ending::kRaised);
  ASSERT_TRUE(outcome.error.has_value());
  EXPECT_EQ(outcome.error->type, "ValueError");
  EXPECT_EQ(outcome.error->message, "bad \xEF\xBF\xBD byte");
  EXPECT_EQ(outcome.error->traceback, "cut \xEF\xBF\xBD\xEF\xBF\xBD");
  EXPECT_EQ(outcome.error->pickled, "\x80");
}

TEST_F(LaneTest, WarningsOfItsInterpreterComeWithTheOutcome) {
  FakeInterpreter child = OpenReady(CpuConfig());
  auto task = NewTask();
  internal::TaskEnded ended = FakeInterpreter::Ended(StartAndBegin(child, task), internal::CODE_RAISED);
  ended.set_processes_left(true);
  for (int i = 0; i < kWarningsMax; ++i) ended.add_warnings(std::string(kWarningBytesMax, 'w'));
  child.End(ended);
  const Outcome outcome = AwaitOutcome(task);
  EXPECT_EQ(outcome.ending, Ending::kRaised);
  ASSERT_EQ(outcome.warnings.size(), size_t{1 + kWarningsMax});
  EXPECT_EQ(outcome.warnings.back(), std::string(kWarningBytesMax, 'w'));
}

TEST_F(LaneTest, AResultLimitOfATaskThatCollectsSaysWhatCounts) {
  FakeInterpreter child = OpenReady(CpuConfig());
  auto task = NewTask();
  task->collect = {"*"};
  task->limits.result_bytes = 10;
  internal::TaskEnded ended = FakeInterpreter::Ended(StartAndBegin(child, task), internal::CODE_RESULT_LIMIT);
  ended.set_result_bytes(11);
  child.End(ended);
  const Outcome outcome = AwaitOutcome(task);
  EXPECT_EQ(outcome.ending, Ending::kResultLimit);
  EXPECT_EQ(outcome.evidence.limit, "result");
  EXPECT_EQ(outcome.evidence.allowed, 10);
  EXPECT_EQ(outcome.evidence.used, 11);
  EXPECT_THAT(outcome.evidence.detail, HasSubstr("files"));
}

TEST_F(LaneTest, ALockProfileComesBackRepaired) {
  FakeInterpreter child = OpenReady(CpuConfig());
  auto task = NewTask();
  task->profile_lock = true;
  const internal::StartTask start = StartAndBegin(child, task);
  EXPECT_TRUE(start.profile_lock());
  internal::TaskEnded ended = FakeInterpreter::Ended(start, internal::CODE_SUCCEEDED);
  internal::FunctionHold& hold = *ended.add_lock_profile();
  hold.set_function("f\xFF");
  hold.set_file("g\xFF");
  hold.set_line(4);
  hold.set_hold_ns(5);
  hold.set_calls(6);
  ended.add_lock_profile()->set_hold_ns(-1);
  child.End(ended);
  const Outcome outcome = AwaitOutcome(task);
  ASSERT_EQ(outcome.lock_profile.size(), 2u);
  EXPECT_EQ(outcome.lock_profile[0].function, "f\xEF\xBF\xBD");
  EXPECT_EQ(outcome.lock_profile[0].file, "g\xEF\xBF\xBD");
  EXPECT_EQ(outcome.lock_profile[0].line, 4u);
  EXPECT_EQ(outcome.lock_profile[0].hold_ns, 5);
  EXPECT_EQ(outcome.lock_profile[0].calls, 6u);
  EXPECT_EQ(outcome.lock_profile[1].hold_ns, 0);
}

TEST_F(LaneTest, ALockProfileThatNobodyAskedForIsNotPassedOn) {
  FakeInterpreter child = OpenReady(CpuConfig());
  auto task = NewTask();
  internal::TaskEnded ended = FakeInterpreter::Ended(StartAndBegin(child, task), internal::CODE_SUCCEEDED);
  ended.add_lock_profile()->set_hold_ns(1);
  child.End(ended);
  EXPECT_TRUE(AwaitOutcome(task).lock_profile.empty());
}

TEST_F(LaneTest, AMomentThatCannotBeIsPutRight) {
  FakeInterpreter child = OpenReady(CpuConfig());
  auto task = NewTask();
  internal::TaskEnded ended = FakeInterpreter::Ended(StartAndBegin(child, task), internal::CODE_SUCCEEDED);
  ended.set_begin_ns(INT64_MIN);
  ended.set_end_ns(INT64_MAX);
  ended.set_cpu_ns(-5);
  child.End(ended);
  const Outcome outcome = AwaitOutcome(task);
  EXPECT_EQ(outcome.usage.dispatch_ns, 0);
  EXPECT_LT(outcome.usage.run_ns, kNever);
  EXPECT_EQ(outcome.usage.cpu_ns, 0);
}

TEST_F(LaneTest, ThreadsLeftBehindCostAOneThreadInterpreter) {
  FakeInterpreter child = OpenReady(CpuConfig());
  auto task = NewTask();
  internal::TaskEnded ended = FakeInterpreter::Ended(StartAndBegin(child, task), internal::CODE_SUCCEEDED);
  ended.set_threads_left(2);
  child.End(ended);
  const Outcome outcome = AwaitOutcome(task);
  EXPECT_EQ(outcome.ending, Ending::kSucceeded);
  ASSERT_EQ(outcome.warnings.size(), 1u);
  EXPECT_THAT(outcome.warnings[0], HasSubstr("2 threads outlived the task"));
  EXPECT_FALSE(lane_->Run(0, NewTask()));  // known to be leaving before its outcome was
  ReadyAgain();
  EXPECT_THAT(Restarts(), Contains(Pair("threads_left", 1)));
}

TEST_F(LaneTest, ThreadsLeftBehindInTheIoLaneAreAWarning) {
  FakeInterpreter child = OpenReady(IoConfig());
  auto task = NewTask();
  internal::TaskEnded ended = FakeInterpreter::Ended(StartAndBegin(child, task), internal::CODE_SUCCEEDED);
  ended.set_threads_left(1);
  child.End(ended);
  EXPECT_EQ(AwaitOutcome(task).warnings.size(), 1u);
  EXPECT_TRUE(lane_->Run(0, NewTask()));
  EXPECT_TRUE(Restarts().empty());
}

// ---- tasks on the event loop ----

TEST_F(LaneTest, ATaskOnTheEventLoopIsToldOnceAndCounted) {
  Lane::Config config = IoConfig(1);
  config.loop_tasks = 1;
  FakeInterpreter child = OpenReady(config);
  auto first = NewTask(), second = NewTask();
  const internal::StartTask start = StartAndBegin(child, first);
  child.OnLoop({start.serial()});
  AwaitOnLoop({first->serial});
  EXPECT_TRUE(lane_->Run(0, second));
  const internal::StartTask other = child.AwaitTask();
  child.Begin(other);
  EXPECT_EQ(lane_->Snapshot(NowNs())[0].running, 2);
  EXPECT_EQ(lane_->Snapshot(NowNs())[0].on_loop, 1);

  internal::TaskEnded ended = FakeInterpreter::Ended(start, internal::CODE_SUCCEEDED);
  ended.set_loop_wait_ns(7);
  child.End(ended);
  EXPECT_EQ(AwaitOutcome(first).usage.loop_wait_ns, 7);
  EXPECT_EQ(lane_->Snapshot(NowNs())[0].on_loop, 0);
  // Nobody said that this one was on the loop.
  ended = FakeInterpreter::Ended(other, internal::CODE_SUCCEEDED);
  ended.set_loop_wait_ns(7);
  child.End(ended);
  EXPECT_FALSE(AwaitOutcome(second).usage.loop_wait_ns.has_value());
}

class LaneLoopTest : public LaneTest, public ::testing::WithParamInterface<bool> {};
INSTANTIATE_TEST_SUITE_P(Twice, LaneLoopTest, ::testing::Bool());

TEST_P(LaneLoopTest, ATaskThatCannotBeOnTheEventLoopBreaksTheProtocol) {
  Lane::Config config = IoConfig(1);
  config.loop_tasks = 1;
  FakeInterpreter child = OpenReady(config);
  auto task = NewTask();
  const internal::StartTask start = StartAndBegin(child, task);
  child.OnLoop({start.serial(), GetParam() ? start.serial() : start.serial() + 1});
  EXPECT_EQ(AwaitOutcome(task).ending, Ending::kProtocolError);
}

// ---- what can be seen ----

TEST_F(LaneTest, TheSnapshotTellsWhoHoldsTheLock) {
  FakeInterpreter child = OpenReady(IoConfig());
  auto task = NewTask("greedy");
  StartAndBegin(child, task);
  const int64_t now_ns = NowNs() + kNsPerSecond;
  child.header()->waiters = 2;
  child.header()->lock.takes = 5;
  child.header()->holder_serial = task->serial;
  child.header()->holder_since_ns = now_ns - 700;
  const SlotSnapshot snapshot = lane_->Snapshot(now_ns)[0];
  EXPECT_EQ(snapshot.slot, "io-0");
  EXPECT_EQ(snapshot.state, InterpreterState::kReady);
  EXPECT_EQ(snapshot.generation, 1u);
  EXPECT_EQ(snapshot.pid, getpid());  // the test speaks for the interpreter
  EXPECT_EQ(snapshot.running, 1);
  EXPECT_EQ(snapshot.capacity, 4);
  EXPECT_EQ(snapshot.waiters, 2);
  ASSERT_TRUE(snapshot.holder.has_value());
  EXPECT_EQ(snapshot.holder->task_id, task->id);
  EXPECT_EQ(snapshot.holder->task_name, "greedy");
  EXPECT_EQ(snapshot.holder->held_ns, 700);
  ASSERT_TRUE(snapshot.lock.has_value());
  EXPECT_EQ(snapshot.lock->takes, 5u);
  EXPECT_EQ(snapshot.lock->hold_ns, 700);
}

TEST_F(LaneTest, LockTotalsGrowOverGenerationsAndNeverGoBack) {
  FakeInterpreter child = OpenReady(IoConfig());
  child.header()->lock.takes = 5;
  EXPECT_EQ(lane_->Snapshot(NowNs())[0].lock->takes, 5u);
  child.header()->lock.takes = 4;
  EXPECT_EQ(lane_->Snapshot(NowNs())[0].lock->takes, 5u);
  child.header()->lock.takes = 6;
  Die(child, Signaled(SIGKILL));
  FakeInterpreter next = ReadyAgain();
  next.header()->lock.takes = 10;
  EXPECT_EQ(lane_->Snapshot(NowNs())[0].lock->takes, 16u);
}

TEST_F(LaneTest, ALockHeldTooLongWhileOthersWaitIsNotServing) {
  FakeInterpreter child = OpenReady(IoConfig());
  const int64_t now_ns = NowNs() + 10 * kNsPerSecond;
  EXPECT_TRUE(lane_->Serving(now_ns));
  child.header()->holder_since_ns = now_ns - 2 * kProbeLimitNs;
  EXPECT_TRUE(lane_->Serving(now_ns));  // nobody has asked for it
  child.header()->waiters = 1;
  child.row(1)->waiting_since_ns = now_ns - kProbeLimitNs / 2;
  EXPECT_TRUE(lane_->Serving(now_ns));  // nor for long
  child.row(1)->waiting_since_ns = now_ns - kProbeLimitNs;
  EXPECT_FALSE(lane_->Serving(now_ns));
  child.header()->holder_since_ns = now_ns - 1;
  EXPECT_TRUE(lane_->Serving(now_ns));
}

TEST_F(LaneTest, ACpuTaskMayHoldItsLockAsLongAsItLikes) {
  FakeInterpreter child = OpenReady(CpuConfig());
  child.header()->waiters = 1;
  child.header()->holder_since_ns = NowNs();
  EXPECT_TRUE(lane_->Serving(NowNs() + 10 * kNsPerSecond));
}

// ---- the end ----

TEST_F(LaneTest, ShutdownEndsWhatRunsAndStartsNothing) {
  FakeInterpreter child = OpenReady(IoConfig());
  auto task = NewTask();
  StartAndBegin(child, task);
  lane_->Shutdown();
  const Outcome outcome = AwaitOutcome(task);
  EXPECT_EQ(outcome.ending, Ending::kInterpreterLost);
  EXPECT_THAT(outcome.evidence.detail, HasSubstr("the grace is over"));
  EXPECT_FALSE(lane_->Run(0, NewTask()));
  AwaitGones(1);
  Settle();
  EXPECT_EQ(slots_.kills(0), 1u);
  EXPECT_EQ(lane_->Snapshot(NowNs())[0].state, InterpreterState::kStopping);
  EXPECT_TRUE(Restarts().empty());
}

TEST_F(LaneTest, ShutdownOfASlotInTheMakingLetsItGo) {
  slots_.inits_are_ready = false;
  Open(CpuConfig());
  slots_.AwaitOrder(0);
  lane_->Shutdown();
  slots_.AwaitAbandoned(0);
}

// ---- everything at once ----

TEST_F(LaneTest, EveryTaskThatIsTakenGetsExactlyOneOutcomeOrIsGivenBack) {
  std::mt19937 random(testing::Seed());
  const auto pick = [&](int n) { return std::uniform_int_distribution<int>(0, n - 1)(random); };

  Lane::Config config = IoConfig(4);
  config.stop_grace_ns = 2 * kNsPerMs;
  config.silence_ns = kNsPerMs;
  config.back_off_ns_first = config.back_off_ns_max = 1;
  Open(config);

  std::set<uint64_t> taken;
  for (int generation = 0; generation < 60; ++generation) {
    FakeInterpreter child = ReadyAgain();
    // A second thread hands tasks over meanwhile, as a client's call would.
    std::vector<std::shared_ptr<Task>> tasks;
    for (int i = 0; i < 6; ++i) {
      tasks.push_back(NewTask());
      if (pick(4) == 0) tasks.back()->limits.wall_ns = 1 + pick(3) * kNsPerMs;
    }
    std::thread client([&] {
      for (const auto& task : tasks) {
        if (lane_->Run(0, task)) taken.insert(task->serial);
      }
    });
    const int acts = pick(6);
    for (int i = 0; i < acts; ++i) {
      internal::StartTask start;
      start.set_serial(tasks[pick(6)]->serial);
      start.set_row(pick(4));
      switch (pick(4)) {
        case 0: child.Begin(start); break;
        case 1: child.End(start, pick(2) ? internal::CODE_SUCCEEDED : internal::CODE_STOPPED); break;
        case 2: lane_->Cancel(start.serial()); break;
        case 3: child.Note(Death::kSignal, SIGSEGV, start.serial()); break;
      }
    }
    client.join();
    switch (pick(4)) {
      case 0: Die(child, Signaled(SIGSEGV)); break;
      case 1:
        slots_.Ended(child, Exited(1));
        child.CloseChannel();
        break;
      case 2:
        slots_.Gone(0, "by chance");
        Settle();  // it may have met the next interpreter already, which the test must not wait for
        break;
      case 3: child.CloseChannel(); break;
    }
  }
  lane_->Shutdown();

  {
    absl::MutexLock lock(&mutex_);
    const auto all = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      for (const uint64_t serial : taken) {
        if (outcomes_[serial].empty() && !returned_.contains(serial)) return false;
      }
      return true;
    };
    mutex_.Await(absl::Condition(&all));
  }
  Settle();  // a second outcome of one may be on its way
  absl::MutexLock lock(&mutex_);
  for (const auto& [serial, outcomes] : outcomes_) {
    EXPECT_EQ(outcomes.size() + returned_.count(serial), taken.count(serial)) << serial;
  }
}

}  // namespace
}  // namespace gild
