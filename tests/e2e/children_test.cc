// Processes that tasks start: whose end is whose, whose time is whose, and what is left behind.
#include <gmock/gmock.h>

#include "tests/testing/server_fixture.h"

namespace gild::testing {
namespace {

constexpr char kFailToStartOne[] =
    "import subprocess\n"
    "try: subprocess.run(['/nonexistent'])\n"
    "except FileNotFoundError: pass\n";

class ChildrenTest : public ServerFixture {
 protected:
  void SetUp() override { StartSmallServer(); }
};

// subprocess makes its child by vfork: one that cannot exec ends in its parent's memory, and is not its parent.
TEST_F(ChildrenTest, AChildThatCannotStartIsNotTheTasksEnd) {
  EXPECT_EQ(Run(WithProcesses(Script(v1::IO, kFailToStartOne))).ending(), v1::SUCCEEDED);
  // It has nothing to do with who ends the interpreter later.
  v1::Outcome killed =
      Run(WithProcesses(Script(v1::IO, std::string(kFailToStartOne) + "import os; os.kill(os.getpid(), 9)")));
  EXPECT_EQ(killed.ending(), v1::CRASHED) << killed.DebugString();
  killed = Run(WithProcesses(Script(v1::CPU, std::string(kFailToStartOne) + "import os; os.kill(os.getpid(), 9)")));
  EXPECT_EQ(killed.ending(), v1::CRASHED) << killed.DebugString();
}

TEST_F(ChildrenTest, AProcessThatOutlivesItsCpuTaskIsEndedAndTold) {
  v1::Outcome outcome =
      Run(WithProcesses(Script(v1::CPU, "import subprocess; print(subprocess.Popen(['sleep', '600']).pid)")));
  EXPECT_EQ(outcome.ending(), v1::SUCCEEDED);
  ASSERT_EQ(outcome.warnings_size(), 1);
  EXPECT_THAT(outcome.warnings(0), ::testing::HasSubstr("child processes outlived the task"));
  AwaitSuccessor("cpu-0-sub", 1);
  EXPECT_EQ(Slot("cpu-0-sub").restarts(0).cause(), "processes_left");
  // A child that has been waited for, or has ended, is none that is left.
  outcome = Run(WithProcesses(Script(v1::CPU,
                                     "import os, subprocess\nsubprocess.run(['true'])\n"
                                     "os.waitid(os.P_PID, subprocess.Popen(['true']).pid, os.WEXITED | os.WNOWAIT)")));
  EXPECT_EQ(outcome.ending(), v1::SUCCEEDED);
  EXPECT_EQ(Slot("cpu-0-sub").generation(), 2u);
}

TEST_F(ChildrenTest, AKilledTaskIsNotBilledForEarlierTasksChildren) {
  v1::Outcome burnt =
      Run(WithProcesses(Script(v1::CPU,
                               "import subprocess\n"
                               "subprocess.run(['/usr/bin/python3', '-c', 'x = bytearray(100 << 20)\\n'\n"
                               "                'import time\\nwhile time.process_time() < 0.5: pass'], check=True)")));
  ASSERT_EQ(burnt.ending(), v1::SUCCEEDED) << burnt.DebugString();
  EXPECT_GE(Seconds(burnt.usage().cpu()), 0.4);  // its own child's time is its own
  v1::Task sleeper = WithProcesses(Script(v1::CPU, "import time; time.sleep(600)"));
  sleeper.mutable_limits()->mutable_wall()->set_nanos(200'000'000);
  v1::Outcome killed = Run(sleeper);
  EXPECT_EQ(killed.ending(), v1::TIMED_OUT);
  EXPECT_LT(Seconds(killed.usage().cpu()), 0.4);
  // The highest that the reaper knows of is the earlier one's.
  EXPECT_FALSE(killed.usage().has_peak_memory_bytes()) << killed.DebugString();
}

}  // namespace
}  // namespace gild::testing
