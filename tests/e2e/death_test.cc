// Interpreters die, by a task's own act or from outside: every task ends typed, the slot gets another, the server
// stays.
#include <signal.h>

#include "tests/testing/doorbell.h"
#include "tests/testing/footprint.h"
#include "tests/testing/server_fixture.h"

namespace gild::testing {
namespace {

// ---- by a task's own act ----

struct Crash {
  const char* entry;
  int signal;
};

class CrashTest : public ServerFixture, public ::testing::WithParamInterface<std::tuple<v1::Tag, Crash>> {};
INSTANTIATE_TEST_SUITE_P(Crashes, CrashTest,
                         ::testing::Combine(::testing::Values(v1::IO, v1::CPU),
                                            ::testing::Values(Crash{"segfault", SIGSEGV}, Crash{"abort", SIGABRT},
                                                              Crash{"kill_self", SIGKILL},
                                                              Crash{"overflow_the_stack", SIGSEGV})),
                         [](const auto& info) {
                           return std::string(std::get<1>(info.param).entry) +
                                  (std::get<0>(info.param) == v1::IO ? "_Io" : "_Cpu");
                         });

TEST_P(CrashTest, IsNamedWithItsSignalAndKeepsTheOutput) {
  auto [tag, crash] = GetParam();
  StartSmallServer();
  v1::Outcome outcome = Run(Call(tag, "crashes.py", crash.entry));
  if (outcome.error().type() == "RecursionError") {
    ASSERT_NE(std::string(GILD_PYTHON), "/usr/bin/python3");
    GTEST_SKIP() << "this CPython guards its stack against C recursion, too (3.12 and later)";
  }
  EXPECT_EQ(outcome.ending(), v1::CRASHED) << outcome.DebugString();
  EXPECT_EQ(outcome.evidence().signal(), crash.signal);
  EXPECT_EQ(outcome.stdout(), "before\n");
  EXPECT_FALSE(outcome.evidence().safe_to_retry());
  EXPECT_EQ(AwaitSuccessor(tag == v1::IO ? "io-0" : "cpu-0", 1).generation(), 2u);
  EXPECT_EQ(Run(Script(tag, "print(1)")).stdout(), "1\n");
}

class DeathTest : public ServerFixture {
 protected:
  // `entry` of crashes.py brings the I/O interpreter down while three others wait in it.
  void ExpectCulpritAndNeighbours(const std::string& entry, std::vector<v1::Value> more, v1::Ending culprits_ending) {
    StartSmallServer();
    Doorbell neighbours_door, culprits_door;
    std::vector<std::unique_ptr<PendingRun>> neighbours;
    for (int i = 0; i < 3; ++i) {
      neighbours.push_back(RunLater(Call(v1::IO, "waits.py", "print_ring_and_wait",
                                         {Json(std::to_string(neighbours_door.port())), Json("\"mine\"")})));
    }
    neighbours_door.AwaitRings(3);
    std::vector<v1::Value> arguments = {Json(std::to_string(culprits_door.port()))};
    arguments.insert(arguments.end(), more.begin(), more.end());
    std::unique_ptr<PendingRun> culprit = RunLater(Call(v1::IO, "crashes.py", entry, arguments));
    culprits_door.AwaitRings(1);
    culprits_door.LetIn();

    EXPECT_EQ(culprit->outcome().ending(), culprits_ending) << culprit->outcome().DebugString();
    for (const auto& neighbour : neighbours) {
      const v1::Outcome& outcome = neighbour->outcome();
      EXPECT_EQ(outcome.ending(), v1::INTERPRETER_LOST) << outcome.DebugString();
      EXPECT_EQ(outcome.stdout(), "mine\n");
      EXPECT_FALSE(outcome.evidence().safe_to_retry()) << "it had begun";
    }
    EXPECT_EQ(AwaitSuccessor("io-0", 1).generation(), 2u);
  }
};

TEST_F(DeathTest, SegmentationFaultIsTheCulpritsAlone) {
  ExpectCulpritAndNeighbours("ring_then_segfault", {}, v1::CRASHED);
}

TEST_F(DeathTest, OsExitIsTheCulpritsAlone) { ExpectCulpritAndNeighbours("ring_then_leave", {Json("0")}, v1::EXITED); }

TEST_F(DeathTest, FaultInAThreadOfATaskIsThatTasks) {
  StartSmallServer();
  Doorbell doorbell;
  std::unique_ptr<PendingRun> neighbour = RunLater(RingAndWait(v1::IO, doorbell.port()));
  doorbell.AwaitRings(1);
  v1::Outcome outcome = Run(Script(v1::IO,
                                   "import ctypes, threading\n"
                                   "thread = threading.Thread(target=ctypes.string_at, args=(0,))\n"
                                   "thread.start()\n"
                                   "thread.join()"));
  EXPECT_EQ(outcome.ending(), v1::CRASHED) << outcome.DebugString();
  EXPECT_EQ(outcome.evidence().signal(), SIGSEGV);
  EXPECT_EQ(neighbour->outcome().ending(), v1::INTERPRETER_LOST);
}

TEST_F(DeathTest, InterpreterThatDiesAgainAndAgainComesBackEachTime) {
  StartSmallServer();
  for (int i = 0; i < 8; ++i) {
    ASSERT_EQ(Run(Call(v1::CPU, "crashes.py", "segfault")).ending(), v1::CRASHED) << i;
  }
  EXPECT_EQ(Run(Script(v1::CPU, "print(1)")).stdout(), "1\n");
  EXPECT_EQ(Endings(v1::CPU_LANE, v1::CRASHED), 8u);
}

TEST_F(DeathTest, SignalThatItSurvivedDoesNotHideTheOneThatEndsIt) {
  StartSmallServer();
  for (const v1::Tag tag : {v1::CPU, v1::IO}) {
    v1::Outcome outcome = Run(Script(tag,
                                     "import os, signal\n"
                                     "os.kill(os.getpid(), signal.SIGCONT)\n"
                                     "os.kill(os.getpid(), signal.SIGTERM)"));
    EXPECT_EQ(outcome.ending(), v1::CRASHED) << outcome.DebugString();
    EXPECT_EQ(outcome.evidence().signal(), SIGTERM);
  }
}

TEST_F(DeathTest, SignalThatANeighbourSurvivedIsNotBlamed) {
  StartSmallServer();
  Doorbell doorbell;
  v1::Task innocent = Script(v1::IO,
                             "import os, signal, socket\n"
                             "os.kill(os.getpid(), signal.SIGCONT)\n"
                             "socket.create_connection(('127.0.0.1', " +
                                 std::to_string(doorbell.port()) + ")).recv(1)");
  std::unique_ptr<PendingRun> neighbour = RunLater(innocent);
  doorbell.AwaitRings(1);
  EXPECT_EQ(Run(Call(v1::IO, "crashes.py", "segfault")).ending(), v1::CRASHED);
  EXPECT_EQ(neighbour->outcome().ending(), v1::INTERPRETER_LOST) << neighbour->outcome().DebugString();
}

TEST_F(DeathTest, TimerOfATaskEndsItAsItWouldAScript) {
  StartSmallServer();
  v1::Outcome outcome = Run(Script(v1::CPU,
                                   "import signal\n"
                                   "signal.setitimer(signal.ITIMER_REAL, 0.01)\n"
                                   "while True: pass"));
  EXPECT_EQ(outcome.ending(), v1::CRASHED) << outcome.DebugString();
  EXPECT_EQ(outcome.evidence().signal(), SIGALRM);
}

TEST_F(DeathTest, WhatEndedAProcessOfAnEarlierTaskIsNotToBlame) {
  StartServer({"--io-interpreters", "1", "--cpu-interpreters", "1", "--cpu-memory", "192MiB"});
  v1::Task takes_memory = Script(v1::CPU,
                                 "import os\n"
                                 "child = os.fork()\n"
                                 "while child == 0: bytearray(1 << 30)\n"
                                 "print(os.waitpid(child, 0)[1])");
  takes_memory.set_allow_subprocess(true);
  v1::Task has_itself_killed = Script(v1::CPU,
                                      "import os, signal\n"
                                      "if os.fork() == 0: os.kill(os.getppid(), signal.SIGKILL)\n"
                                      "signal.pause()");
  has_itself_killed.set_allow_subprocess(true);
  const v1::Outcome first = Run(takes_memory);
  ASSERT_EQ(first.stdout(), "9\n") << first.DebugString();
  const v1::Outcome second = Run(has_itself_killed);
  EXPECT_EQ(second.usage().interpreter(), first.usage().interpreter());
  EXPECT_NE(second.ending(), v1::MEMORY_LIMIT) << second.DebugString();
  EXPECT_EQ(second.evidence().signal(), SIGKILL) << second.DebugString();
}

// Its init is stopped, so nobody reaps, and the slot is given up: another gets its uid and its groups.
TEST_F(DeathTest, NobodyIsLeftInASlotThatIsLostWhenTheNextOneIsThere) {
  StartSmallServer();
  if (GetInfo().isolation_level() != "full") GTEST_SKIP() << "no control groups here";
  const v1::InterpreterStats victim = Slot("cpu-0");
  const int init = static_cast<int>(StatusOf(victim.pid(), "PPid"));
  ASSERT_EQ(kill(init, SIGSTOP), 0);
  ASSERT_EQ(kill(victim.pid(), SIGKILL), 0);
  AwaitSuccessor("cpu-0", victim.generation());
  EXPECT_EQ(Restarts("cpu-0", "slot_lost"), 1u);
  EXPECT_EQ(StatusOf(init, "VmRSS"), 0) << "it lives on";
}

// What all tasks of an I/O interpreter share, and would meet.
struct Left {
  const char* what;
  const char* code;
};
class LeftTest : public ServerFixture, public ::testing::WithParamInterface<Left> {};
INSTANTIATE_TEST_SUITE_P(
    IoLane, LeftTest,
    ::testing::Values(Left{"ConnectionsThatCCodePrintsTo",
                           "import os, socket\n"
                           "os.closerange(0, 3)\n"
                           "assert [end.detach() for end in socket.socketpair()] == [0, 1]\n"},
                      Left{"Limits", "import resource\nresource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))\n"},
                      Left{"Handlers", "import faulthandler\nfaulthandler.enable(file=2)\n"}),
    [](const auto& info) { return info.param.what; });

TEST_P(LeftTest, CostsTheInterpreterWhenNoTaskRunsThere) {
  StartSmallServer();
  const uint64_t generation = Slot("io-0").generation();
  const std::string look = Testcase("probe.py");
  const std::string before = Run(Script(v1::IO, look)).stdout();
  const v1::Outcome outcome = Run(Script(v1::IO, GetParam().code));
  EXPECT_EQ(outcome.ending(), v1::SUCCEEDED) << outcome.DebugString();
  AwaitSuccessor("io-0", generation);
  EXPECT_EQ(Restarts("io-0", "residue"), 1u);
  EXPECT_EQ(Run(Script(v1::IO, look)).stdout(), before);
}

class ClosedChannelTest : public BothLanesFixture {};
INSTANTIATE_IN_BOTH_LANES(ClosedChannelTest);

TEST_P(ClosedChannelTest, IsTheTasksOwnFault) {
  StartSmallServer();
  v1::Outcome outcome = Run(Script(GetParam(), "import os\nprint('x', flush=True)\nos.closerange(3, 1000)"));
  EXPECT_EQ(outcome.ending(), v1::PROTOCOL_ERROR) << outcome.DebugString();
  EXPECT_EQ(outcome.stdout(), "x\n");
  EXPECT_EQ(Run(Script(GetParam(), "print(1)")).stdout(), "1\n");
}

// ---- from outside, under load ----

class OutsideKillTest : public BothLanesFixture {};
INSTANTIATE_IN_BOTH_LANES(OutsideKillTest);

TEST_P(OutsideKillTest, TasksEndTypedOthersGoOnAndTheSlotComesBack) {
  LetCpuTasksRing();
  StartServer({"--io-interpreters", "2", "--cpu-interpreters", "2"});
  Doorbell io_door, cpu_door;
  std::vector<std::unique_ptr<PendingRun>> runs;
  for (int i = 0; i < 40; ++i) runs.push_back(RunLater(RingAndWait(v1::IO, io_door.port())));
  for (int i = 0; i < 2; ++i) runs.push_back(RunLater(RingAndWait(v1::CPU, cpu_door.port())));
  io_door.AwaitRings(40);
  cpu_door.AwaitRings(2);
  v1::InterpreterStats victim = Slot(slot());
  ASSERT_EQ(victim.state(), v1::InterpreterStats::READY);
  ASSERT_GT(victim.running(), 0u);
  ASSERT_GT(victim.pid(), 1);

  ASSERT_EQ(kill(victim.pid(), SIGKILL), 0);
  v1::InterpreterStats successor = AwaitSuccessor(slot(), victim.generation());
  EXPECT_EQ(successor.generation(), victim.generation() + 1);
  EXPECT_NE(successor.pid(), victim.pid());
  EXPECT_EQ(kill(pid(), 0), 0) << "the server lives";

  io_door.LetIn();
  cpu_door.LetIn();
  std::string lost_interpreter = slot() + "#" + std::to_string(victim.generation());
  uint32_t lost = 0;
  for (const auto& run : runs) {
    const v1::Outcome& outcome = run->outcome();
    if (outcome.usage().interpreter() == lost_interpreter) {
      ++lost;
      EXPECT_EQ(outcome.ending(), v1::INTERPRETER_LOST) << outcome.DebugString();
      EXPECT_EQ(outcome.evidence().signal(), SIGKILL);
      EXPECT_FALSE(outcome.evidence().safe_to_retry());
    } else {
      EXPECT_EQ(outcome.ending(), v1::SUCCEEDED) << outcome.DebugString();
    }
  }
  EXPECT_EQ(lost, victim.running());
  EXPECT_EQ(Run(Script(GetParam(), "print(1)")).stdout(), "1\n");
}

TEST_P(OutsideKillTest, IdleInterpreterIsReplacedToo) {
  StartSmallServer();
  v1::InterpreterStats victim = Slot(slot());
  ASSERT_EQ(kill(victim.pid(), SIGKILL), 0);
  EXPECT_EQ(AwaitSuccessor(slot(), victim.generation()).generation(), victim.generation() + 1);
  EXPECT_EQ(Run(Script(GetParam(), "print(1)")).stdout(), "1\n");
}

}  // namespace
}  // namespace gild::testing
