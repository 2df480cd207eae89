// Limits end exactly the task that crossed them, with the limit and the usage as evidence.
#include "gmock/gmock.h"
#include "tests/testing/server_fixture.h"

namespace gild::testing {
namespace {

using ::testing::HasSubstr;

constexpr uint64_t kMiB = 1 << 20;
constexpr uint64_t kNsPerMs = 1'000'000;

class LimitsTest : public BothLanesFixture {
 protected:
  void ExpectLimit(const v1::Outcome& outcome, v1::Ending ending, const std::string& limit, uint64_t allowed) {
    EXPECT_EQ(outcome.ending(), ending) << outcome.DebugString();
    EXPECT_EQ(outcome.evidence().limit(), limit);
    EXPECT_EQ(outcome.evidence().allowed(), allowed);
  }
};
INSTANTIATE_IN_BOTH_LANES(LimitsTest);

TEST_P(LimitsTest, WallEndsASpinningTask) {
  StartSmallServer();
  v1::Task task = Call(GetParam(), "blocks.py", "spin");
  *task.mutable_limits()->mutable_wall() = Ms(300);
  v1::Outcome outcome = Run(task);
  ExpectLimit(outcome, v1::TIMED_OUT, "wall", 300 * kNsPerMs);
  EXPECT_GE(outcome.evidence().used(), 300 * kNsPerMs);
  EXPECT_GE(Seconds(outcome.usage().run()) + Seconds(outcome.usage().dispatch()), 0.299);
  EXPECT_EQ(Run(Script(GetParam(), "pass")).ending(), v1::SUCCEEDED);
}

TEST_P(LimitsTest, TimedOutTaskKeepsWhatItPrinted) {
  StartSmallServer();
  v1::Task task = Script(GetParam(), "print('so far', flush=True)\nwhile True: pass");
  *task.mutable_limits()->mutable_wall() = Ms(300);
  v1::Outcome outcome = Run(task);
  EXPECT_EQ(outcome.ending(), v1::TIMED_OUT);
  EXPECT_EQ(outcome.stdout(), "so far\n");
}

TEST_P(LimitsTest, ResultBeyondItsBoundIsNotSent) {
  StartSmallServer();
  for (const char* entry : {"result", "raw_result"}) {
    v1::Task task = Call(GetParam(), "hogs.py", entry, {Json("1000")});
    task.mutable_limits()->set_result_bytes(100);
    v1::Outcome outcome = Run(task);
    ExpectLimit(outcome, v1::RESULT_LIMIT, "result", 100);
    EXPECT_GE(outcome.evidence().used(), 1000u);
    EXPECT_FALSE(outcome.has_result());
  }
  EXPECT_EQ(Slot(slot()).generation(), 1u) << "costs no interpreter";
}

TEST_P(LimitsTest, OneAboveTheCeilingIsLoweredAndTheReplySaysSo) {
  StartSmallServer();
  v1::Task task = Script(GetParam(), "pass");
  task.mutable_limits()->set_output_bytes(uint64_t{1} << 40);
  v1::Outcome outcome = Run(task);
  EXPECT_EQ(outcome.ending(), v1::SUCCEEDED);
  ASSERT_EQ(outcome.warnings_size(), 1) << outcome.DebugString();
  EXPECT_THAT(outcome.warnings(0), HasSubstr("output_bytes"));
}

TEST_P(LimitsTest, AnErrorsOwnTextIsWithinThem) {
  StartSmallServer();
  v1::Task task = Call(GetParam(), "hangs.py", "raise_what_takes_long_to_print");
  *task.mutable_limits()->mutable_wall() = Ms(300);
  ExpectLimit(Run(task), v1::TIMED_OUT, "wall", 300 * kNsPerMs);
  EXPECT_EQ(Run(Script(GetParam(), "print(1)")).stdout(), "1\n");
}

class CpuLimitsTest : public LimitsTest {};
INSTANTIATE_TEST_SUITE_P(Lanes, CpuLimitsTest, ::testing::Values(v1::CPU),
                         [](const auto&) { return std::string("Cpu"); });

TEST_P(CpuLimitsTest, ProcessorTime) {
  StartSmallServer();
  for (const char* entry : {"processor", "processor_in_threads", "processor_in_a_thread_left_to_join"}) {
    v1::Task task = Call(v1::CPU, "hogs.py", entry);
    *task.mutable_limits()->mutable_cpu() = Ms(200);
    v1::Outcome outcome = Run(task);
    ExpectLimit(outcome, v1::CPU_LIMIT, "cpu", 200 * kNsPerMs);
    EXPECT_GE(outcome.evidence().used(), 190 * kNsPerMs);
    EXPECT_GE(Seconds(outcome.usage().cpu()), 0.19);
  }
}

TEST_P(CpuLimitsTest, ProcessorTimeCannotBeWaivedByBlockingItsSignal) {
  StartSmallServer();
  v1::Task task = Call(v1::CPU, "hogs.py", "processor_with_signals_blocked");
  *task.mutable_limits()->mutable_cpu() = Ms(200);
  ExpectLimit(Run(task), v1::CPU_LIMIT, "cpu", 200 * kNsPerMs);
}

TEST_P(CpuLimitsTest, ProcessorTimeOfEarlierTasksDoesNotCount) {
  StartSmallServer();
  v1::Task task = Script(v1::CPU,
                         "import time\n"
                         "begin = time.process_time()\n"
                         "while time.process_time() < begin + 0.15: pass");
  *task.mutable_limits()->mutable_cpu() = Ms(1000);
  for (int i = 0; i < 12; ++i) {
    v1::Outcome outcome = Run(task);
    ASSERT_EQ(outcome.ending(), v1::SUCCEEDED) << "task " << i << ": " << outcome.DebugString();
  }
}

TEST_P(CpuLimitsTest, SleepUsesNone) {
  StartSmallServer();
  v1::Task task = Script(v1::CPU, "import time\ntime.sleep(0.5)");
  *task.mutable_limits()->mutable_cpu() = Ms(200);
  EXPECT_EQ(Run(task).ending(), v1::SUCCEEDED);
}

TEST_P(CpuLimitsTest, Memory) {
  StartSmallServer();
  for (const v1::Task& hog :
       {Call(v1::CPU, "hogs.py", "memory", {Json("1073741824")}), Call(v1::CPU, "hogs.py", "memory_in_pieces")}) {
    v1::Task task = hog;
    task.mutable_limits()->set_memory_bytes(64 * kMiB);
    ExpectLimit(Run(task), v1::MEMORY_LIMIT, "memory", 64 * kMiB);
    EXPECT_EQ(Run(Script(v1::CPU, "print(1)")).stdout(), "1\n");
  }
}

TEST_P(CpuLimitsTest, MemoryWithinItsBoundIsFine) {
  StartSmallServer();
  v1::Task task = Call(v1::CPU, "hogs.py", "memory", {Json("33554432")});
  task.mutable_limits()->set_memory_bytes(64 * kMiB);
  v1::Outcome outcome = Run(task);
  EXPECT_EQ(outcome.ending(), v1::SUCCEEDED) << outcome.DebugString();
  // And the limit ends with its task.
  EXPECT_EQ(Run(Call(v1::CPU, "hogs.py", "memory", {Json("268435456")})).ending(), v1::SUCCEEDED);
}

TEST_P(CpuLimitsTest, WhatOneTaskIsNotAllowedTheNextIs) {
  StartSmallServer();
  const std::string writes = "open('a', 'wb').write(bytes(4 << 20)); open('b', 'x').close()\n";
  v1::Task task = Script(v1::CPU, writes);
  task.mutable_limits()->set_scratch_bytes(1 << 20);
  ExpectLimit(Run(task), v1::SCRATCH_LIMIT, "scratch", 1 << 20);
  EXPECT_EQ(Run(Script(v1::CPU, writes)).ending(), v1::SUCCEEDED);
  task.mutable_limits()->set_scratch_bytes(0);
  task.mutable_limits()->set_scratch_files(1);
  ExpectLimit(Run(task), v1::SCRATCH_LIMIT, "scratch_files", 1);
  task.mutable_limits()->set_scratch_files(2);
  task.mutable_limits()->set_scratch_bytes(4 << 20);
  EXPECT_EQ(Run(task).ending(), v1::SUCCEEDED) << "just as much as it may";
  EXPECT_EQ(Run(Script(v1::CPU, writes)).ending(), v1::SUCCEEDED);

  const std::string threads =
      "import threading\n"
      "all = [threading.Thread(target=threading.Event().wait, args=(0.1,)) for _ in range(5)]\n"
      "for one in all: one.start()\n"
      "for one in all: one.join()\n";
  v1::Task starts = Script(v1::CPU, threads);
  starts.mutable_limits()->set_processes(4);
  ExpectLimit(Run(starts), v1::PROCESS_LIMIT, "processes", 4);
  EXPECT_EQ(Run(Script(v1::CPU, threads)).ending(), v1::SUCCEEDED);
  starts.mutable_limits()->set_processes(5);
  const v1::Outcome within = Run(starts);
  EXPECT_EQ(within.ending(), v1::SUCCEEDED) << within.DebugString();
  EXPECT_THAT(within.warnings(), ::testing::IsEmpty());
  // One that dies under its limits leaves none to the next.
  starts.mutable_source()->set_code("import os\nos._exit(0)\n");
  Run(starts);
  EXPECT_EQ(Run(Script(v1::CPU, threads + writes)).ending(), v1::SUCCEEDED);
}

TEST_P(CpuLimitsTest, QueueLimitEndsATaskThatNeverStarted) {
  StartSmallServer();
  std::unique_ptr<PendingRun> first = RunLater(Call(v1::CPU, "blocks.py", "spin"));
  Eventually("the first task runs", [&] { return LaneOf(v1::CPU_LANE).running() == 1; });
  v1::Task task = Script(v1::CPU, "pass");
  *task.mutable_limits()->mutable_queue() = Ms(100);
  v1::Outcome outcome = Run(task);
  ExpectLimit(outcome, v1::EXPIRED, "queue", 100 * kNsPerMs);
  EXPECT_TRUE(outcome.evidence().safe_to_retry());
  EXPECT_EQ(outcome.lane(), v1::NO_LANE);
  EXPECT_GE(Seconds(outcome.usage().queue()), 0.1);
  EXPECT_FALSE(outcome.has_lock());
  EXPECT_FALSE(outcome.usage().has_run());
}

}  // namespace
}  // namespace gild::testing
