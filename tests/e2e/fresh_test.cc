// Tasks that ask for an interpreter of their own: nothing was there before them, nothing is after them.
#include <gmock/gmock.h>

#include <set>

#include "tests/testing/server_fixture.h"

namespace gild::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

v1::Task Fresh(v1::Task task) {
  task.set_isolation(v1::FRESH);
  return task;
}

using FreshTest = ServerFixture;

// Marks whatever can be marked, and says what was marked before.
constexpr char kMark[] =
    "import builtins, decimal, json, os, sys\n"
    "found = [name for name, there in {\n"
    "    'module': hasattr(json, 'mark'),\n"
    "    'class': hasattr(decimal.Decimal, 'mark') or hasattr(os._Environ, 'mark'),\n"
    "    'environ': 'MARK' in os.environ,\n"
    "    'hook': any(getattr(hook, '__name__', '') == 'mark' for hook in sys.meta_path),\n"
    "    'file': os.path.exists('mark') or os.path.exists('/dev/shm/mark'),\n"
    "}.items() if there]\n"
    "json.mark = os._Environ.mark = True\n"
    "os.environ['MARK'] = '1'\n"
    "def mark(*_): return None\n"
    "mark.find_spec = lambda *_: None\n"
    "sys.meta_path.insert(0, mark)\n"
    "open('mark', 'w').close()\n"
    "open('/dev/shm/mark', 'w').close()\n"
    "print(*found)\n";

TEST_F(FreshTest, TasksFindNothingOfOthersAndLeaveNothing) {
  StartSmallServer();
  EXPECT_EQ(Run(Script(v1::CPU, kMark)).stdout(), "\n");
  EXPECT_EQ(Run(Script(v1::CPU, kMark)).stdout(), "module class hook\n") << "what a shared one keeps";
  std::set<std::string> interpreters;
  for (int i = 0; i < 6; ++i) {
    const v1::Outcome outcome = Run(Fresh(Script(v1::CPU, kMark)));
    EXPECT_EQ(outcome.ending(), v1::SUCCEEDED) << outcome.DebugString();
    EXPECT_EQ(outcome.stdout(), "\n") << i;
    EXPECT_THAT(outcome.warnings(), IsEmpty());
    EXPECT_THAT(outcome.usage().interpreter(), StartsWith("cpu-0-fresh"));
    EXPECT_TRUE(interpreters.insert(outcome.usage().interpreter()).second) << "used before";
  }
  EXPECT_EQ(Run(Script(v1::CPU, kMark)).stdout(), "module class hook\n") << "and it was not replaced";
}

TEST_F(FreshTest, WhateverOneLeavesBehindIsNoAnomaly) {
  StartSmallServer();
  const v1::Outcome left = Run(Fresh(Script(v1::CPU,
                                            "import threading, time, os\n"
                                            "threading.Thread(target=time.sleep, args=(60,), daemon=True).start()\n"
                                            "os.dup(0)\n")));
  EXPECT_EQ(left.ending(), v1::SUCCEEDED) << left.DebugString();
  EXPECT_THAT(left.warnings(), ElementsAre("1 thread outlived the task"));
  EXPECT_EQ(Restarts("cpu-0-fresh", "threads_left") + Restarts("cpu-0-fresh", "residue"), 0u);
}

TEST_F(FreshTest, FilesOfOneThatDiedAreGone) {
  StartSmallServer();
  for (int i = 0; i < 4; ++i) {
    const v1::Outcome outcome =
        Run(Fresh(Script(v1::CPU,
                         "import os\n"
                         "print(os.path.exists('left') or os.path.exists('/dev/shm/left'), flush=True)\n"
                         "open('left', 'w').close()\n"
                         "open('/dev/shm/left', 'w').close()\n"
                         "os._exit(0)\n")));
    EXPECT_EQ(outcome.stdout(), "False\n") << outcome.DebugString();
  }
}

TEST_F(FreshTest, TheyEndAsOthersDo) {
  StartSmallServer();
  EXPECT_EQ(Run(Fresh(Script(v1::CPU, "1/0"))).ending(), v1::RAISED);
  EXPECT_EQ(Run(Fresh(Script(v1::CPU, "import os\nos._exit(3)"))).ending(), v1::EXITED);
  EXPECT_EQ(Run(Fresh(Script(v1::CPU, "import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)"))).ending(),
            v1::CRASHED);
  v1::Task spins = Fresh(Script(v1::CPU, "while True: pass"));
  *spins.mutable_limits()->mutable_wall() = Ms(200);
  EXPECT_EQ(Run(spins).ending(), v1::TIMED_OUT);
  EXPECT_EQ(Run(Fresh(Script(v1::CPU, "print('here')"))).stdout(), "here\n");
}

TEST_F(FreshTest, ProcessesAreAllowedThereToo) {
  StartSmallServer();
  const v1::Task task =
      Fresh(WithProcesses(Script(v1::CPU, "import subprocess\nprint(subprocess.run(['true']).returncode)")));
  std::set<std::string> interpreters;
  for (int i = 0; i < 3; ++i) {
    const v1::Outcome outcome = Run(task);
    EXPECT_EQ(outcome.stdout(), "0\n") << outcome.DebugString();
    EXPECT_THAT(outcome.usage().interpreter(), StartsWith("cpu-0-sub-fresh"));
    EXPECT_TRUE(interpreters.insert(outcome.usage().interpreter()).second) << "used before";
  }
  EXPECT_THAT(Run(Fresh(Script(v1::CPU, "import os\nos.fork()"))).ending(), Not(v1::SUCCEEDED));
}

TEST_F(FreshTest, MoreThanTheStockComeToTheirTurn) {
  StartServer({"--cpu-interpreters", "1", "--io-interpreters", "1", "--fresh-stock", "1"});
  std::vector<std::unique_ptr<PendingRun>> runs;
  for (int i = 0; i < 12; ++i) runs.push_back(RunLater(Fresh(Script(v1::CPU, "print('here')"))));
  std::set<std::string> interpreters;
  for (const auto& run : runs) {
    EXPECT_EQ(run->outcome().stdout(), "here\n");
    interpreters.insert(run->outcome().usage().interpreter());
  }
  EXPECT_EQ(interpreters.size(), runs.size());
  EXPECT_GE(Restarts("cpu-0-fresh", "spent"), 11u);
}

}  // namespace
}  // namespace gild::testing
