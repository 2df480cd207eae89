#include "server/lane/lane.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include <cerrno>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/server/lane/fake_slots.h"
#include "tests/testing/poller_thread.h"

namespace gild {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Pair;

// Never within a test.
constexpr int64_t kNever = 3600 * kNsPerSecond;
constexpr int64_t kSoon = 5 * kNsPerMs;

class LaneTest : public ::testing::Test {
 protected:
  LaneTest() : slots_(poller_.get()) {}
  ~LaneTest() override {
    poller_.End();
    lane_.reset();
  }

  static Lane::Config CpuConfig() {
    return {.kind = LaneKind::kCpu,
            .slots = 1,
            .threads = 1,
            .start_limit_ns = kNever,
            .stop_grace_ns = kNever,
            .back_off_ns_first = kSoon,
            .back_off_ns_max = kSoon,
            .silence_ns = kNever,
            .kill_limit_ns = kNever};
  }
  static Lane::Config IoConfig(int threads = 4) {
    Lane::Config config = CpuConfig();
    config.kind = LaneKind::kIo;
    config.threads = threads;
    return config;
  }

  void Open(Lane::Config config) {
    lane_ = std::make_unique<Lane>(config, poller_.get(), &slots_,
                                   Lane::Events{.ready =
                                                    [this](int slot, int) {
                                                      absl::MutexLock lock(&mutex_);
                                                      ++readies_[slot];
                                                      EXPECT_TRUE(ready_now_.insert(slot).second) << "ready twice";
                                                    },
                                                .gone =
                                                    [this](int slot) {
                                                      absl::MutexLock lock(&mutex_);
                                                      ++gones_[slot];
                                                      ready_now_.erase(slot);
                                                    },
                                                .ended =
                                                    [this](uint64_t serial, Outcome outcome) {
                                                      absl::MutexLock lock(&mutex_);
                                                      outcomes_[serial].push_back(std::move(outcome));
                                                    }});
    lane_->Start();
  }

  // A lane of one slot with its interpreter ready.
  FakeInterpreter OpenReady(Lane::Config config) {
    Open(config);
    return ReadyAgain();
  }
  FakeInterpreter ReadyAgain(int slot = 0) {
    int before;
    {
      absl::MutexLock lock(&mutex_);
      before = readies_[slot];
    }
    FakeInterpreter child = slots_.AwaitInterpreter(slot);
    child.Ready();
    AwaitReadies(before + 1, slot);
    return child;
  }

  void AwaitReadies(int count, int slot = 0) {
    absl::MutexLock lock(&mutex_);
    const auto enough = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return readies_[slot] >= count; };
    mutex_.Await(absl::Condition(&enough));
  }
  void AwaitGones(int count, int slot = 0) {
    absl::MutexLock lock(&mutex_);
    const auto enough = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return gones_[slot] >= count; };
    mutex_.Await(absl::Condition(&enough));
  }
  int readies(int slot = 0) {
    absl::MutexLock lock(&mutex_);
    return readies_[slot];
  }

  std::shared_ptr<Task> NewTask(const std::string& name = "a task") {
    auto task = std::make_shared<Task>();
    task->serial = ++last_serial_;
    task->id = absl::StrCat("id-", task->serial);
    task->name = name;
    task->code = "pass";
    task->limits.wall_ns = kNever;
    return task;
  }

  // Hands a task over and hears it arrive.
  internal::StartTask Start(FakeInterpreter& child, const std::shared_ptr<const Task>& task) {
    EXPECT_TRUE(lane_->Run(child.slot(), task));
    internal::StartTask start = child.AwaitTask();
    EXPECT_EQ(start.serial(), task->serial);
    return start;
  }
  internal::StartTask StartAndBegin(FakeInterpreter& child, const std::shared_ptr<const Task>& task) {
    internal::StartTask start = Start(child, task);
    child.Begin(start);
    return start;
  }

  Outcome AwaitOutcome(const std::shared_ptr<const Task>& task) {
    absl::MutexLock lock(&mutex_);
    const auto ended = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return !outcomes_[task->serial].empty(); };
    mutex_.Await(absl::Condition(&ended));
    return outcomes_[task->serial].front();
  }

  // The interpreter dies: its channel is at its end, its init reports.
  void Die(FakeInterpreter& child, int wait_status) {
    child.CloseChannel();
    slots_.Ended(child, wait_status);
  }

  std::map<std::string, uint64_t> Restarts(int slot = 0) { return lane_->Snapshot(NowNs())[slot].restarts; }
  // What was posted before has run.
  void Settle() {
    poller_.Do([] {});
  }

  testing::PollerThread poller_;
  FakeSlots slots_;
  std::unique_ptr<Lane> lane_;
  uint64_t last_serial_ = 0;

  absl::Mutex mutex_;
  std::map<int, int> readies_ ABSL_GUARDED_BY(mutex_);
  std::map<int, int> gones_ ABSL_GUARDED_BY(mutex_);
  std::set<int> ready_now_ ABSL_GUARDED_BY(mutex_);
  std::map<uint64_t, std::vector<Outcome>> outcomes_ ABSL_GUARDED_BY(mutex_);
};

// ---- a task's ordinary way ----

TEST_F(LaneTest, ATaskArrivesWholeAndItsEndComesBackWhole) {
  FakeInterpreter child = OpenReady(CpuConfig());
  auto task = NewTask("sum");
  task->entry = "main";
  task->arguments = {{Value::Kind::kJson, "1"}, {Value::Kind::kRaw, "raw"}};
  task->limits.cpu_ns = 5;
  task->limits.memory_bytes = 6;
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
  child.End(ended);
  const Outcome outcome = AwaitOutcome(task);
  EXPECT_EQ(outcome.ending, Ending::kRaised);
  ASSERT_TRUE(outcome.error.has_value());
  EXPECT_EQ(outcome.error->type, "ValueError");
  EXPECT_EQ(outcome.error->message, "bad \xEF\xBF\xBD byte");
  EXPECT_EQ(outcome.error->traceback, "cut \xEF\xBF\xBD\xEF\xBF\xBD");
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

// ---- overruns and cancels ----

TEST_F(LaneTest, AnOverrunInTheCpuLaneKillsItsInterpreterAlone) {
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

TEST_F(LaneTest, ACancelInTheCpuLaneKills) {
  FakeInterpreter child = OpenReady(CpuConfig());
  auto task = NewTask();
  StartAndBegin(child, task);
  lane_->Cancel(task->serial);
  EXPECT_EQ(AwaitOutcome(task).ending, Ending::kCancelled);
  ReadyAgain();
  EXPECT_THAT(Restarts(), Contains(Pair("cancelled", 1)));
}

TEST_F(LaneTest, ATaskThatEndedBeforeTheKillReachedItEndedByItself) {
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

TEST_F(LaneTest, AnEndThatLiesThereWhenTheTimeIsUpCostsNoInterpreter) {
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

TEST_F(LaneTest, AnOverrunInTheIoLaneIsAskedToStopAndItsNeighboursGoOn) {
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

TEST_F(LaneTest, ACancelInTheIoLaneIsAskedToStop) {
  FakeInterpreter child = OpenReady(IoConfig());
  auto task = NewTask();
  const internal::StartTask start = StartAndBegin(child, task);
  lane_->Cancel(task->serial);
  EXPECT_EQ(child.AwaitStop().serial(), task->serial);
  child.End(start, internal::CODE_STOPPED);
  EXPECT_EQ(AwaitOutcome(task).ending, Ending::kCancelled);
}

TEST_F(LaneTest, TheFirstWhoAsksToStopIsTheCause) {
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

TEST_F(LaneTest, AStoppedTaskThatSucceedsHasSucceeded) {
  FakeInterpreter child = OpenReady(IoConfig());
  auto task = NewTask();
  const internal::StartTask start = StartAndBegin(child, task);
  lane_->Cancel(task->serial);
  child.AwaitStop();
  child.End(start, internal::CODE_SUCCEEDED);
  EXPECT_EQ(AwaitOutcome(task).ending, Ending::kSucceeded);
}

TEST_F(LaneTest, ACancelOfATaskThatHasEndedIsNothing) {
  FakeInterpreter child = OpenReady(CpuConfig());
  auto task = NewTask();
  child.End(StartAndBegin(child, task), internal::CODE_SUCCEEDED);
  AwaitOutcome(task);
  lane_->Cancel(task->serial);
  lane_->Cancel(4711);
  Settle();
  EXPECT_EQ(slots_.kills(0), 0u);
}

TEST_F(LaneTest, ATaskThatWillNotStopCostsItsInterpreterAndItsNeighboursAreTold) {
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

TEST_F(LaneTest, WhileAStoppedTaskIsOverdueTheSlotTakesNoTasks) {
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

// ---- deaths ----

TEST_F(LaneTest, AFaultInTheCpuLaneIsTheTasks) {
  FakeInterpreter child = OpenReady(CpuConfig());
  auto task = NewTask();
  StartAndBegin(child, task);
  Die(child, Signaled(SIGSEGV));
  const Outcome outcome = AwaitOutcome(task);
  EXPECT_EQ(outcome.ending, Ending::kCrashed);
  EXPECT_EQ(outcome.evidence.signal, SIGSEGV);
  ReadyAgain();
  EXPECT_THAT(Restarts(), Contains(Pair("crashed", 1)));
}

TEST_F(LaneTest, AnExitInTheCpuLaneIsTheTasks) {
  FakeInterpreter child = OpenReady(CpuConfig());
  auto task = NewTask();
  StartAndBegin(child, task);
  Die(child, Exited(3));
  const Outcome outcome = AwaitOutcome(task);
  EXPECT_EQ(outcome.ending, Ending::kExited);
  EXPECT_EQ(outcome.evidence.exit_code, 3);
  ReadyAgain();
  EXPECT_THAT(Restarts(), Contains(Pair("exited", 1)));
}

TEST_F(LaneTest, AKillFromOutsideIsNotTheTasksDoing) {
  FakeInterpreter child = OpenReady(CpuConfig());
  auto task = NewTask();
  StartAndBegin(child, task);
  Die(child, Signaled(SIGKILL));
  const Outcome outcome = AwaitOutcome(task);
  EXPECT_EQ(outcome.ending, Ending::kInterpreterLost);
  EXPECT_THAT(outcome.evidence.detail, HasSubstr("killed from outside: signal 9"));
  EXPECT_FALSE(outcome.evidence.safe_to_retry);
  ReadyAgain();
  EXPECT_THAT(Restarts(), Contains(Pair("killed", 1)));
}

TEST_F(LaneTest, AKillOfItselfIs) {
  FakeInterpreter child = OpenReady(CpuConfig());
  auto task = NewTask();
  StartAndBegin(child, task);
  child.Note(Death::kSignal, SIGKILL, task->serial);
  Die(child, Signaled(SIGKILL));
  const Outcome outcome = AwaitOutcome(task);
  EXPECT_EQ(outcome.ending, Ending::kCrashed);
  EXPECT_EQ(outcome.evidence.signal, SIGKILL);
}

TEST_F(LaneTest, ANoteThatTheWaitStatusBeliesIsNotBelieved) {
  FakeInterpreter child = OpenReady(IoConfig());
  auto task = NewTask();
  StartAndBegin(child, task);
  child.Note(Death::kExit, 0, task->serial);
  Die(child, Signaled(SIGKILL));
  EXPECT_EQ(AwaitOutcome(task).ending, Ending::kInterpreterLost);
}

TEST_F(LaneTest, AKillBeforeTheCpuLimitIsUsedUpIsNotTheLimits) {
  FakeInterpreter child = OpenReady(CpuConfig());
  auto task = NewTask();
  task->limits.cpu_ns = 2 * kNsPerSecond;
  child.Begin(Start(child, task), /*process_cpu_ns=*/kNsPerSecond);
  child.CloseChannel();
  slots_.Ended(0, {.generation = 1, .wait_status = Signaled(SIGKILL), .user_cpu_ns = 2 * kNsPerSecond});
  EXPECT_EQ(AwaitOutcome(task).ending, Ending::kInterpreterLost);
}

TEST_F(LaneTest, TheCpuLimitIsToldWithWhatWasUsed) {
  FakeInterpreter child = OpenReady(CpuConfig());
  auto task = NewTask();
  task->limits.cpu_ns = 2 * kNsPerSecond;
  const internal::StartTask start = Start(child, task);
  child.Begin(start, /*process_cpu_ns=*/kNsPerSecond);
  child.CloseChannel();
  slots_.Ended(
      0, {.generation = 1, .wait_status = Signaled(SIGKILL), .user_cpu_ns = 3 * kNsPerSecond, .system_cpu_ns = 1});
  const Outcome outcome = AwaitOutcome(task);
  EXPECT_EQ(outcome.ending, Ending::kCpuLimit);
  EXPECT_EQ(outcome.evidence.limit, "cpu");
  EXPECT_EQ(outcome.evidence.allowed, 2 * kNsPerSecond);
  EXPECT_EQ(outcome.evidence.used, 2 * kNsPerSecond + 1);
  ReadyAgain();
  EXPECT_THAT(Restarts(), Contains(Pair("cpu_limit", 1)));
}

TEST_F(LaneTest, InTheIoLaneTheNoteSaysWhoCrashed) {
  FakeInterpreter child = OpenReady(IoConfig());
  auto innocent = NewTask();
  StartAndBegin(child, innocent);
  auto guilty = NewTask("guilty one");
  StartAndBegin(child, guilty);
  child.Note(Death::kSignal, SIGSEGV, guilty->serial);
  Die(child, Signaled(SIGSEGV));
  EXPECT_EQ(AwaitOutcome(guilty).ending, Ending::kCrashed);
  EXPECT_EQ(AwaitOutcome(guilty).evidence.signal, SIGSEGV);
  const Outcome outcome = AwaitOutcome(innocent);
  EXPECT_EQ(outcome.ending, Ending::kInterpreterLost);
  EXPECT_THAT(outcome.evidence.detail, HasSubstr("guilty one"));
}

TEST_F(LaneTest, InTheIoLaneTheNoteSaysWhoExited) {
  FakeInterpreter child = OpenReady(IoConfig());
  auto innocent = NewTask();
  StartAndBegin(child, innocent);
  auto guilty = NewTask();
  StartAndBegin(child, guilty);
  child.Note(Death::kExit, 7, guilty->serial);
  Die(child, Exited(7));
  EXPECT_EQ(AwaitOutcome(guilty).ending, Ending::kExited);
  EXPECT_EQ(AwaitOutcome(guilty).evidence.exit_code, 7);
  EXPECT_EQ(AwaitOutcome(innocent).ending, Ending::kInterpreterLost);
}

TEST_F(LaneTest, InTheIoLaneACrashWithoutANoteIsNobodys) {
  FakeInterpreter child = OpenReady(IoConfig());
  auto task = NewTask();
  StartAndBegin(child, task);
  Die(child, Signaled(SIGSEGV));
  const Outcome outcome = AwaitOutcome(task);
  EXPECT_EQ(outcome.ending, Ending::kInterpreterLost);
  EXPECT_THAT(outcome.evidence.detail, HasSubstr("signal 11"));
}

TEST_F(LaneTest, ATaskThatHadNotBegunIsSafeToRetry) {
  FakeInterpreter child = OpenReady(CpuConfig());
  auto task = NewTask();
  Start(child, task);
  Die(child, Signaled(SIGSEGV));
  const Outcome outcome = AwaitOutcome(task);
  EXPECT_EQ(outcome.ending, Ending::kInterpreterLost);
  EXPECT_TRUE(outcome.evidence.safe_to_retry);
  EXPECT_FALSE(outcome.usage.run_ns.has_value());
}

TEST_F(LaneTest, TheLastWordsOfADeadInterpreterAreHeard) {
  FakeInterpreter child = OpenReady(IoConfig());
  auto ended = NewTask();
  auto lost = NewTask();
  const internal::StartTask start = StartAndBegin(child, ended);
  StartAndBegin(child, lost);
  testing::Pause pause(&poller_);
  slots_.Ended(child, Signaled(SIGKILL));  // overtakes what lies in the channel
  child.End(start, internal::CODE_SUCCEEDED);
  child.CloseChannel();
  pause.End();
  EXPECT_EQ(AwaitOutcome(ended).ending, Ending::kSucceeded);
  EXPECT_EQ(AwaitOutcome(lost).ending, Ending::kInterpreterLost);
}

TEST_F(LaneTest, AnInterpreterThatClosesItsChannelAndLivesOnIsKilled) {
  Lane::Config config = CpuConfig();
  config.silence_ns = kSoon;
  FakeInterpreter child = OpenReady(config);
  auto task = NewTask();
  StartAndBegin(child, task);
  child.CloseChannel();
  EXPECT_EQ(AwaitOutcome(task).ending, Ending::kProtocolError);
  EXPECT_EQ(slots_.AwaitKill(0).signal, SIGKILL);
}

TEST_F(LaneTest, AnIdleInterpreterThatDiesIsReplaced) {
  FakeInterpreter child = OpenReady(CpuConfig());
  Die(child, Signaled(SIGKILL));
  AwaitGones(1);
  FakeInterpreter next = ReadyAgain();
  EXPECT_EQ(next.generation(), 2u);
  EXPECT_THAT(Restarts(), Contains(Pair("killed", 1)));
}

TEST_F(LaneTest, AReportAboutAnEarlierGenerationIsIgnored) {
  FakeInterpreter child = OpenReady(CpuConfig());
  Die(child, Signaled(SIGKILL));
  FakeInterpreter next = ReadyAgain();
  slots_.Ended(child, Signaled(SIGKILL));
  Settle();
  auto task = NewTask();
  next.End(StartAndBegin(next, task), internal::CODE_SUCCEEDED);
  EXPECT_EQ(AwaitOutcome(task).ending, Ending::kSucceeded);
}

// ---- children that break the protocol ----

class HostileChildTest : public LaneTest {
 protected:
  // One task, one hostile act: the task ends so, and the interpreter is replaced.
  void ExpectProtocolError(const std::function<void(FakeInterpreter&, const internal::StartTask&)>& act,
                           const std::string& detail) {
    FakeInterpreter child = OpenReady(CpuConfig());
    auto task = NewTask();
    task->limits.result_bytes = 10;
    act(child, StartAndBegin(child, task));
    const Outcome outcome = AwaitOutcome(task);
    EXPECT_EQ(outcome.ending, Ending::kProtocolError);
    EXPECT_THAT(outcome.evidence.detail, HasSubstr(detail));
    ReadyAgain();
    EXPECT_THAT(Restarts(), Contains(Pair("protocol_error", 1)));
  }
  void ExpectRefused(const std::function<void(internal::TaskEnded&)>& spoil, const std::string& detail) {
    ExpectProtocolError(
        [&](FakeInterpreter& child, const internal::StartTask& start) {
          internal::TaskEnded ended = FakeInterpreter::Ended(start, internal::CODE_RAISED);
          spoil(ended);
          child.End(ended);
        },
        detail);
  }
};

TEST_F(HostileChildTest, Garbage) {
  ExpectProtocolError([](FakeInterpreter& child, auto&) { child.SendBytes(std::string("\x02\0\0\0\xFF\xFF", 6)); },
                      "does not parse");
}
TEST_F(HostileChildTest, AFrameTooLarge) {
  ExpectProtocolError([](FakeInterpreter& child, auto&) { child.SendBytes("\xFF\xFF\xFF\xFF"); }, "4294967295 bytes");
}
TEST_F(HostileChildTest, AnEmptyFrame) {
  ExpectProtocolError([](FakeInterpreter& child, auto&) { child.SendBytes(std::string(4, '\0')); }, "says nothing");
}
TEST_F(HostileChildTest, ReadyTwice) {
  ExpectProtocolError([](FakeInterpreter& child, auto&) { child.Ready(); }, "a second time");
}
TEST_F(HostileChildTest, AnUnknownTask) {
  ExpectRefused([](internal::TaskEnded& ended) { ended.set_serial(4711); }, "4711");
}
TEST_F(HostileChildTest, AnUnknownEnding) {
  ExpectRefused([](internal::TaskEnded& ended) { ended.set_ending(static_cast<internal::CodeEnding>(99)); }, "99");
}
TEST_F(HostileChildTest, NoEnding) {
  ExpectRefused([](internal::TaskEnded& ended) { ended.set_ending(internal::CODE_UNSPECIFIED); }, "no such ending");
}
TEST_F(HostileChildTest, AStopThatNobodyAskedFor) {
  ExpectRefused([](internal::TaskEnded& ended) { ended.set_ending(internal::CODE_STOPPED); }, "nobody stopped");
}
TEST_F(HostileChildTest, AResultBeyondItsLimit) {
  ExpectRefused([](internal::TaskEnded& ended) { ended.mutable_result()->set_raw(std::string(11, 'x')); }, "a result");
}
TEST_F(HostileChildTest, ATypeTooLong) {
  ExpectRefused([](internal::TaskEnded& ended) { ended.set_error_type(std::string(kErrorTypeBytesMax + 1, 'x')); },
                "type");
}
TEST_F(HostileChildTest, AMessageTooLong) {
  ExpectRefused(
      [](internal::TaskEnded& ended) { ended.set_error_message(std::string(kErrorMessageBytesMax + 1, 'x')); },
      "message");
}
TEST_F(HostileChildTest, ATracebackTooLong) {
  ExpectRefused(
      [](internal::TaskEnded& ended) { ended.set_error_traceback(std::string(kErrorTracebackBytesMax + 1, 'x')); },
      "traceback");
}
TEST_F(HostileChildTest, AnEndSaidTwice) {
  FakeInterpreter child = OpenReady(IoConfig());
  auto first = NewTask();
  auto second = NewTask();
  const internal::StartTask start = StartAndBegin(child, first);
  StartAndBegin(child, second);
  child.End(start, internal::CODE_SUCCEEDED);
  child.End(start, internal::CODE_SUCCEEDED);
  EXPECT_EQ(AwaitOutcome(first).ending, Ending::kSucceeded);
  EXPECT_EQ(AwaitOutcome(second).ending, Ending::kProtocolError);
}
TEST_F(HostileChildTest, ATaskEndedBeforeItsInterpreterIsReady) {
  Open(CpuConfig());
  FakeInterpreter child = slots_.AwaitInterpreter(0);
  internal::StartTask start;
  child.End(start, internal::CODE_SUCCEEDED);
  EXPECT_EQ(slots_.AwaitKill(0).generation, 1u);
  ReadyAgain();
}

// ---- slots ----

TEST_F(LaneTest, ASlotIsOrderedWithItsPlace) {
  Lane::Config config = CpuConfig();
  config.slots = 3;
  config.cores = {4, 7};
  config.nice = 19;
  std::string folder = ::testing::TempDir() + "/gild-lane-XXXXXX";
  ASSERT_NE(mkdtemp(folder.data()), nullptr);
  config.scratch_root = folder;
  Open(config);
  const SlotOrder order = slots_.AwaitOrder(2);
  EXPECT_EQ(order.name, "cpu-2");
  EXPECT_EQ(order.core, 4);
  EXPECT_EQ(order.nice, 19);
  EXPECT_EQ(order.scratch, folder + "/cpu-2");
  EXPECT_EQ(access(order.scratch.c_str(), W_OK), 0);
  for (int i = 0; i < 3; ++i) rmdir((folder + "/cpu-" + std::to_string(i)).c_str());
  rmdir(folder.c_str());
}

TEST_F(LaneTest, ALostSlotEndsItsTasksAndIsMadeAgain) {
  FakeInterpreter child = OpenReady(IoConfig());
  auto task = NewTask();
  StartAndBegin(child, task);
  slots_.Gone(0, "the init was killed");
  const Outcome outcome = AwaitOutcome(task);
  EXPECT_EQ(outcome.ending, Ending::kInterpreterLost);
  EXPECT_THAT(outcome.evidence.detail, HasSubstr("the init was killed"));
  slots_.AwaitOrder(0, 2);
  FakeInterpreter next = ReadyAgain();
  EXPECT_EQ(next.generation(), 2u);
  EXPECT_THAT(Restarts(), Contains(Pair("slot_lost", 1)));
}

TEST_F(LaneTest, ASlotThatCannotBeMadeIsTriedAgain) {
  slots_.inits_are_ready = false;
  Open(CpuConfig());
  slots_.AwaitOrder(0);
  slots_.Gone(0, "fork: no more processes");
  slots_.AwaitOrder(0, 2);
  slots_.InitReady(0);
  ReadyAgain();
  EXPECT_THAT(Restarts(), Contains(Pair("start_failed", 1)));
}

TEST_F(LaneTest, ASlotThatIsNeverReadyIsLetGoAndMadeAgain) {
  slots_.inits_are_ready = false;
  Lane::Config config = CpuConfig();
  config.start_limit_ns = kSoon;
  Open(config);
  slots_.AwaitOrder(0, 2);
}

TEST_F(LaneTest, AnInterpreterThatIsNeverReadyIsKilledAndStartedAgain) {
  Lane::Config config = CpuConfig();
  config.start_limit_ns = 20 * kNsPerMs;
  Open(config);
  const FakeInterpreter dumb = slots_.AwaitInterpreter(0);
  EXPECT_EQ(slots_.AwaitKill(0).generation, 1u);
  ReadyAgain();
  EXPECT_THAT(Restarts(), Contains(Pair("start_failed", 1)));
}

TEST_F(LaneTest, AForkThatFailsIsTriedAgain) {
  Open(CpuConfig());
  const FakeInterpreter unborn = slots_.AwaitInterpreter(0);
  slots_.StartFailed(0, 1, EAGAIN);
  EXPECT_EQ(ReadyAgain().generation(), 2u);
  EXPECT_THAT(Restarts(), Contains(Pair("start_failed", 1)));
}

TEST_F(LaneTest, ADeathBeforeReadyIsAFailedStart) {
  Open(CpuConfig());
  FakeInterpreter child = slots_.AwaitInterpreter(0);
  Die(child, Exited(70));
  ReadyAgain();
  EXPECT_THAT(Restarts(), Contains(Pair("start_failed", 1)));
}

TEST_F(LaneTest, AReadyThatIsReadOnlyAfterTheDeathIsNotReported) {
  Open(CpuConfig());
  FakeInterpreter child = slots_.AwaitInterpreter(0);
  testing::Pause pause(&poller_);
  slots_.Ended(child, Signaled(SIGKILL));
  child.Ready();
  child.CloseChannel();
  pause.End();
  slots_.AwaitInterpreter(0);
  EXPECT_EQ(readies(), 0);
}

TEST_F(LaneTest, AnInterpreterThatIsNotReapedCostsItsSlot) {
  slots_.kills_work = false;
  Lane::Config config = CpuConfig();
  config.kill_limit_ns = kSoon;
  FakeInterpreter child = OpenReady(config);
  auto task = NewTask();
  StartAndBegin(child, task);
  lane_->Cancel(task->serial);
  EXPECT_EQ(AwaitOutcome(task).ending, Ending::kCancelled);
  slots_.AwaitOrder(0, 2);
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

TEST_F(LaneTest, EveryTaskThatIsTakenGetsExactlyOneOutcome) {
  const uint32_t seed = std::random_device()();
  SCOPED_TRACE(absl::StrCat("seed ", seed));
  std::mt19937 random(seed);
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

  absl::MutexLock lock(&mutex_);
  const auto all = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    for (const uint64_t serial : taken) {
      if (outcomes_[serial].empty()) return false;
    }
    return true;
  };
  mutex_.Await(absl::Condition(&all));
  for (const auto& [serial, outcomes] : outcomes_) {
    EXPECT_EQ(outcomes.size(), taken.count(serial)) << serial;
  }
}

}  // namespace
}  // namespace gild
