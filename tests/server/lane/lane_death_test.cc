// Interpreters that die, and whose doing it was.
#include <signal.h>
#include <unistd.h>

#include <string>

#include "absl/synchronization/notification.h"
#include "gmock/gmock.h"
#include "tests/server/lane/lane_fixture.h"

namespace gild {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Pair;

using LaneDeathTest = LaneTest;

TEST_F(LaneDeathTest, AFaultInTheCpuLaneIsTheTasks) {
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

TEST_F(LaneDeathTest, AnExitInTheCpuLaneIsTheTasks) {
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

TEST_F(LaneDeathTest, AKillFromOutsideIsNotTheTasksDoing) {
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

TEST_F(LaneDeathTest, AKillOfItselfIs) {
  FakeInterpreter child = OpenReady(CpuConfig());
  auto task = NewTask();
  StartAndBegin(child, task);
  child.Note(Death::kSignal, SIGKILL, task->serial);
  Die(child, Signaled(SIGKILL));
  const Outcome outcome = AwaitOutcome(task);
  EXPECT_EQ(outcome.ending, Ending::kCrashed);
  EXPECT_EQ(outcome.evidence.signal, SIGKILL);
}

TEST_F(LaneDeathTest, ANoteThatTheWaitStatusBeliesIsNotBelieved) {
  FakeInterpreter child = OpenReady(IoConfig());
  auto task = NewTask();
  StartAndBegin(child, task);
  child.Note(Death::kExit, 0, task->serial);
  Die(child, Signaled(SIGKILL));
  EXPECT_EQ(AwaitOutcome(task).ending, Ending::kInterpreterLost);
}

TEST_F(LaneDeathTest, AKillBeforeTheCpuLimitIsUsedUpIsNotTheLimits) {
  FakeInterpreter child = OpenReady(CpuConfig());
  auto task = NewTask();
  task->limits.cpu_ns = 2 * kNsPerSecond;
  child.Begin(Start(child, task), /*process_cpu_ns=*/kNsPerSecond);
  child.CloseChannel();
  slots_.Ended(0, {.generation = 1, .wait_status = Signaled(SIGKILL), .user_cpu_ns = 2 * kNsPerSecond});
  EXPECT_EQ(AwaitOutcome(task).ending, Ending::kInterpreterLost);
}

TEST_F(LaneDeathTest, TheCpuLimitIsToldWithWhatWasUsed) {
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

TEST_F(LaneDeathTest, WhomTheKernelKilledForWantOfMemoryMetItsLimit) {
  FakeInterpreter child = OpenReady(CpuConfig());
  auto task = NewTask();
  child.Begin(Start(child, task));
  child.CloseChannel();
  slots_.Ended(0,
               {.generation = 1, .wait_status = Signaled(SIGKILL), .oom_kills = 1, .memory_allowed_bytes = 64 << 20});
  const Outcome outcome = AwaitOutcome(task);
  EXPECT_EQ(outcome.ending, Ending::kMemoryLimit);
  EXPECT_EQ(outcome.evidence.limit, "memory");
  EXPECT_EQ(outcome.evidence.allowed, 64 << 20);
  EXPECT_THAT(outcome.evidence.detail, HasSubstr("oom_kill 1"));
  ReadyAgain();
  EXPECT_THAT(Restarts(), Contains(Pair("memory_limit", 1)));
}

TEST_F(LaneDeathTest, AKernelThatKilledAProcessOfTheTasksIsNotWhatEndedItByAnotherSignal) {
  FakeInterpreter child = OpenReady(CpuConfig());
  auto task = NewTask();
  child.Begin(Start(child, task));
  child.CloseChannel();
  slots_.Ended(0, {.generation = 1, .wait_status = Signaled(SIGSEGV), .oom_kills = 1});
  EXPECT_EQ(AwaitOutcome(task).ending, Ending::kCrashed);
}

TEST_F(LaneDeathTest, InTheIoLaneWantOfMemoryIsNobodysAndAllAreToldSo) {
  FakeInterpreter child = OpenReady(IoConfig());
  auto one = NewTask(), other = NewTask();
  StartAndBegin(child, one);
  StartAndBegin(child, other);
  child.CloseChannel();
  slots_.Ended(0,
               {.generation = 1, .wait_status = Signaled(SIGKILL), .oom_kills = 1, .memory_allowed_bytes = 64 << 20});
  for (const auto& task : {one, other}) {
    const Outcome outcome = AwaitOutcome(task);
    EXPECT_EQ(outcome.ending, Ending::kInterpreterLost);
    EXPECT_THAT(outcome.evidence.detail, HasSubstr("took more than 67108864 bytes of memory"));
  }
}

TEST_F(LaneDeathTest, InTheIoLaneTheNoteSaysWhoCrashed) {
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

TEST_F(LaneDeathTest, InTheIoLaneTheNoteSaysWhoExited) {
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

TEST_F(LaneDeathTest, InTheIoLaneACrashWithoutANoteIsNobodys) {
  FakeInterpreter child = OpenReady(IoConfig());
  auto task = NewTask();
  StartAndBegin(child, task);
  Die(child, Signaled(SIGSEGV));
  const Outcome outcome = AwaitOutcome(task);
  EXPECT_EQ(outcome.ending, Ending::kInterpreterLost);
  EXPECT_THAT(outcome.evidence.detail, HasSubstr("signal 11"));
}

TEST_F(LaneDeathTest, ATaskThatHadNotBegunIsSafeToRetry) {
  FakeInterpreter child = OpenReady(CpuConfig());
  auto task = NewTask();
  Start(child, task);
  Die(child, Signaled(SIGSEGV));
  const Outcome outcome = AwaitOutcome(task);
  EXPECT_EQ(outcome.ending, Ending::kInterpreterLost);
  EXPECT_TRUE(outcome.evidence.safe_to_retry);
  EXPECT_FALSE(outcome.usage.run_ns.has_value());
}

TEST_F(LaneDeathTest, TheLastWordsOfADeadInterpreterAreHeard) {
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

TEST_F(LaneDeathTest, AnInterpreterThatClosesItsChannelAndLivesOnIsKilled) {
  Lane::Config config = CpuConfig();
  config.silence_ns = kSoon;
  FakeInterpreter child = OpenReady(config);
  auto task = NewTask();
  StartAndBegin(child, task);
  child.CloseChannel();
  EXPECT_EQ(AwaitOutcome(task).ending, Ending::kProtocolError);
  EXPECT_EQ(slots_.AwaitKill(0).signal, SIGKILL);
}

TEST_F(LaneDeathTest, OneThatIsDeadIsWaitedForHoweverSlowItsInitIs) {
  Lane::Config config = CpuConfig();
  config.silence_ns = kSoon;
  absl::Notification looked;
  config.is_dead = [&](int pid) {
    EXPECT_EQ(pid, getpid()) << "who it said it was";
    looked.Notify();
    return true;
  };
  FakeInterpreter child = OpenReady(config);
  auto task = NewTask();
  StartAndBegin(child, task);
  child.CloseChannel();
  looked.WaitForNotification();
  slots_.Ended(child, Signaled(SIGSEGV));
  EXPECT_EQ(AwaitOutcome(task).ending, Ending::kCrashed);
  EXPECT_EQ(slots_.kills(0), 0u);
}

TEST_F(LaneDeathTest, OneThatIsDeadAndNeverReapedCostsItsSlot) {
  Lane::Config config = CpuConfig();
  config.silence_ns = config.kill_limit_ns = kSoon;
  config.is_dead = [](int) { return true; };
  FakeInterpreter child = OpenReady(config);
  auto task = NewTask();
  StartAndBegin(child, task);
  child.CloseChannel();
  const Outcome outcome = AwaitOutcome(task);
  EXPECT_EQ(outcome.ending, Ending::kInterpreterLost);
  EXPECT_THAT(outcome.evidence.detail, HasSubstr("not reaped"));
  slots_.AwaitOrder(0, 2);
}

TEST_F(LaneDeathTest, AnIdleInterpreterThatDiesIsReplaced) {
  FakeInterpreter child = OpenReady(CpuConfig());
  Die(child, Signaled(SIGKILL));
  AwaitGones(1);
  FakeInterpreter next = ReadyAgain();
  EXPECT_EQ(next.generation(), 2u);
  EXPECT_THAT(Restarts(), Contains(Pair("killed", 1)));
}

// ---- the pause before the next try ----

class BackOffTest : public LaneDeathTest {
 protected:
  // The interpreter that was asked for cannot be forked. Returns how long it takes until the next one is asked for.
  int64_t FailOnce() {
    const uint64_t generation = slots_.AwaitInterpreter(0).generation();
    const int64_t failed_ns = NowNs();
    slots_.StartFailed(0, generation, EAGAIN);
    slots_.AwaitStart(0, generation + 1);
    return NowNs() - failed_ns;
  }
};

TEST_F(BackOffTest, EveryFailureDoublesIt) {
  Lane::Config config = CpuConfig();
  config.back_off_ns_first = kNsPerMs;
  config.back_off_ns_max = kNever;
  Open(config);
  for (int64_t pause_ns = kNsPerMs; pause_ns <= 16 * kNsPerMs; pause_ns *= 2) EXPECT_GE(FailOnce(), pause_ns);
}

// Without a bound, and without a new beginning, the last pauses would be longer than anybody waits for a test.
TEST_F(BackOffTest, ItGrowsToItsBound) {
  Lane::Config config = CpuConfig();
  config.back_off_ns_first = 1;
  config.back_off_ns_max = kNsPerMs;
  Open(config);
  for (int i = 0; i < 60; ++i) FailOnce();
}

TEST_F(BackOffTest, AnInterpreterThatServedBeginsItAnew) {
  Lane::Config config = CpuConfig();
  config.back_off_ns_first = 1;
  config.back_off_ns_max = INT64_MAX / 2;
  Open(config);
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 20; ++i) FailOnce();
    FakeInterpreter child = ReadyAgain();
    auto task = NewTask();
    child.End(StartAndBegin(child, task), internal::CODE_SUCCEEDED);
    AwaitOutcome(task);
    Die(child, Signaled(SIGKILL));
  }
}

// ---- what comes late ----

TEST_F(LaneDeathTest, AReportAboutAnEarlierGenerationIsIgnored) {
  FakeInterpreter child = OpenReady(CpuConfig());
  Die(child, Signaled(SIGKILL));
  FakeInterpreter next = ReadyAgain();
  slots_.Ended(child, Signaled(SIGKILL));
  Settle();
  auto task = NewTask();
  next.End(StartAndBegin(next, task), internal::CODE_SUCCEEDED);
  EXPECT_EQ(AwaitOutcome(task).ending, Ending::kSucceeded);
}

}  // namespace
}  // namespace gild
