// The walls around a task, as a task meets them: what every one of them has, what some may ask for, what is told of it.
#include <grpcpp/grpcpp.h>
#include <stdlib.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <thread>

#include "gmock/gmock.h"
#include "tests/testing/citizen.h"
#include "tests/testing/command.h"
#include "tests/testing/doorbell.h"
#include "tests/testing/server_fixture.h"

namespace gild::testing {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

// What a script meets where it is refused: the type of the exception, for each of its lines.
constexpr char kTry[] = R"python(
import os, socket
def meets(action):
    try: action()
    except OSError as error: return type(error).__name__
    return "nothing"
)python";

class SandboxTest : public BothLanesFixture {
 protected:
  std::string Meets(const std::string& action) {
    return Run(Script(GetParam(), std::string(kTry) + "print(meets(lambda: " + action + "))")).stdout();
  }
};
INSTANTIATE_IN_BOTH_LANES(SandboxTest);

TEST_P(SandboxTest, TheMachinesFilesAreNotThere) {
  StartSmallServer();
  EXPECT_EQ(Meets("os.listdir('/var')"), "FileNotFoundError\n");
  EXPECT_EQ(Meets("open('/etc/shadow')"), "FileNotFoundError\n");
  EXPECT_EQ(Meets("open('/usr/lib/os-release')"), "nothing\n");
  EXPECT_EQ(Meets("open('/usr/lib/os-release', 'a')"), "PermissionError\n");
  EXPECT_EQ(Meets("open('/proc/self/oom_score_adj', 'w')"), "PermissionError\n");
  EXPECT_EQ(Meets("open('mine', 'w')"), "nothing\n");
}

TEST_P(SandboxTest, ItIsNobodyOfTheMachines) {
  StartSmallServer();
  EXPECT_EQ(
      Run(Script(GetParam(), "import os, pwd\nprint(os.getuid(), pwd.getpwuid(os.getuid()).pw_name, os.getcwd())"))
          .stdout(),
      "1000 task /tmp\n");
  const int pid = static_cast<int>(Slot(GetParam() == v1::IO ? "io-0" : "cpu-0").pid());
  std::ifstream status("/proc/" + std::to_string(pid) + "/status");
  std::stringstream text;
  text << status.rdbuf();
  EXPECT_THAT(text.str(), Not(HasSubstr("Uid:\t0\t"))) << "seen from outside";
  EXPECT_THAT(text.str(), HasSubstr("CapEff:\t0000000000000000\n"));
  EXPECT_THAT(text.str(), HasSubstr("CapBnd:\t0000000000000000\n"));
  EXPECT_THAT(text.str(), HasSubstr("Seccomp:\t2\n"));
}

TEST_P(SandboxTest, ProcessesAreStartedOnlyWhenTheTaskAsks) {
  StartSmallServer();
  EXPECT_EQ(Meets("os.fork()"), "PermissionError\n");
  EXPECT_EQ(Meets("os.execv('/usr/bin/true', ['true'])"), "PermissionError\n");
  const v1::Task runs =
      Script(GetParam(), "import subprocess\nprint(subprocess.run(['echo', 'hello'], capture_output=True).stdout)");
  EXPECT_EQ(Run(runs).ending(), v1::RAISED);
  const v1::Outcome outcome = Run(WithProcesses(runs));
  EXPECT_EQ(outcome.stdout(), "b'hello\\n'\n") << outcome.DebugString();
  EXPECT_EQ(outcome.usage().interpreter(), GetParam() == v1::IO ? "io-0-sub#1" : "cpu-0-sub#1");
}

TEST_P(SandboxTest, TheNetworkIsTheIoLanes) {
  StartSmallServer();
  const Doorbell door;
  const std::string to_door = "socket.create_connection(('127.0.0.1', " + std::to_string(door.port()) + "))";
  EXPECT_EQ(Meets(to_door), GetParam() == v1::IO ? "nothing\n" : "PermissionError\n");
}

TEST_P(SandboxTest, WhatIsRefusedIsCountedByName) {
  StartSmallServer();
  for (int i = 0; i < 3; ++i) EXPECT_EQ(Meets("os.setpriority(os.PRIO_PROCESS, 0, 5)"), "PermissionError\n");
  const std::string slot = GetParam() == v1::IO ? "io-0" : "cpu-0";
  Eventually("they are told", [&] {
    const v1::InterpreterStats stats = Slot(slot);
    for (const v1::DeniedCount& denied : stats.denied_syscalls()) {
      if (denied.syscall() == "setpriority" && denied.times() == 3) return true;
    }
    return false;
  });
  EXPECT_THAT(HttpGet("/metrics").body,
              HasSubstr(std::string("gild_denied_syscalls_total{lane=\"") + (GetParam() == v1::IO ? "io" : "cpu") +
                        "\",syscall=\"setpriority\"} 3\n"));
}

// Of the machine's network, the server itself and a cloud's metadata are not the tasks'.
class FenceTest : public ServerFixture {
 protected:
  static std::string Connecting(const std::string& family, const std::string& kind, const std::string& address,
                                int port) {
    return std::string(kTry) + "s = socket.socket(socket." + family + ", socket." + kind + ")\ns.settimeout(5)\n" +
           "print(meets(lambda: s." + (kind == "SOCK_STREAM" ? "connect(" : "sendto(b'x', ") + "('" + address + "', " +
           std::to_string(port) + "))))";
  }
  std::string Meets(const std::string& family, const std::string& kind, const std::string& address, int port) {
    return Run(Script(v1::IO, Connecting(family, kind, address, port))).stdout();
  }
};

TEST_F(FenceTest, TheServersOwnPortsAreOutOfReachByWhateverName) {
  StartSmallServer();
  if (GetInfo().isolation_level() != "full") GTEST_SKIP() << "no control groups here";
  const int grpc_port = std::stoi(address().substr(address().rfind(':') + 1));
  for (const int port : {grpc_port, http_port()}) {
    for (const char* const kind : {"SOCK_STREAM", "SOCK_DGRAM"}) {
      for (const char* const name : {"127.0.0.1", "127.1.2.3", "0.0.0.0"}) {
        EXPECT_EQ(Meets("AF_INET", kind, name, port), "PermissionError\n") << name << ":" << port << " " << kind;
      }
      for (const char* const name : {"::1", "::", "::ffff:127.0.0.1", "::ffff:0.0.0.0"}) {
        EXPECT_EQ(Meets("AF_INET6", kind, name, port), "PermissionError\n") << name << ":" << port << " " << kind;
      }
    }
  }
  const Doorbell door;
  EXPECT_EQ(Meets("AF_INET", "SOCK_STREAM", "127.0.0.1", door.port()), "nothing\n");
  EXPECT_EQ(Meets("AF_INET6", "SOCK_STREAM", "::ffff:127.0.0.1", door.port()), "nothing\n");
}

TEST_F(FenceTest, NobodyListensInTheServersPlace) {
  StartSmallServer();
  if (GetInfo().isolation_level() != "full") GTEST_SKIP() << "no control groups here";
  const std::string port = std::to_string(http_port());
  const std::string bind = std::string(kTry) + "print(meets(lambda: socket.socket(socket.AF_INET6).bind(('::1', " +
                           port + "))), meets(lambda: socket.socket().bind(('127.0.0.2', " + port +
                           "))), meets(lambda: socket.socket().bind(('127.0.0.2', 0))))";
  EXPECT_EQ(Run(Script(v1::IO, bind)).stdout(), "PermissionError PermissionError nothing\n");
}

TEST_F(FenceTest, ACloudsMetadataIsOutOfReach) {
  StartSmallServer();
  if (GetInfo().isolation_level() != "full") GTEST_SKIP() << "no control groups here";
  for (const char* const name : {"169.254.169.254", "169.254.170.2", "100.100.100.200", "192.0.0.192"}) {
    EXPECT_EQ(Meets("AF_INET", "SOCK_STREAM", name, 80), "PermissionError\n") << name;
    EXPECT_EQ(Meets("AF_INET6", "SOCK_STREAM", std::string("::ffff:") + name, 80), "PermissionError\n") << name;
    EXPECT_EQ(Meets("AF_INET", "SOCK_DGRAM", name, 53), "PermissionError\n") << name;
  }
  EXPECT_EQ(Meets("AF_INET", "SOCK_STREAM", "168.63.129.16", 80), "PermissionError\n");
  EXPECT_NE(Meets("AF_INET", "SOCK_DGRAM", "168.63.129.16", 53), "PermissionError\n") << "Azure's resolver";
  EXPECT_NE(Meets("AF_INET6", "SOCK_DGRAM", "fd00:ec2::253", 53), "PermissionError\n") << "Amazon's";
  for (const char* const name : {"fd00:ec2::254", "fd00:ec2::23", "fd20:ce::254", "fe80::a9fe:a9fe"}) {
    EXPECT_EQ(Meets("AF_INET6", "SOCK_STREAM", name, 80), "PermissionError\n") << name;
    EXPECT_EQ(Meets("AF_INET6", "SOCK_DGRAM", name, 53), "PermissionError\n") << name;
  }
}

TEST_F(FenceTest, WithoutItTheServerIsAPortLikeOthers) {
  StartSmallServer({"--without-layers", "network-fence"});
  EXPECT_EQ(Meets("AF_INET", "SOCK_STREAM", "127.0.0.1", http_port()), "nothing\n");
  if (geteuid() == 0) {
    EXPECT_EQ(GetInfo().isolation_level(), "user");
  }
}

// What a task starts past us must not meet the next one: its interpreter is replaced, and all that is in it ended.
class LeftBehindTest : public ServerFixture {};

TEST_F(LeftBehindTest, ADaemonWhoseParentHasEnded) {
  StartSmallServer();
  constexpr char kDaemon[] = R"python(
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0: time.sleep(600)
    os._exit(0)
os.wait()
)python";
  const v1::Outcome outcome = Run(WithProcesses(Script(v1::CPU, kDaemon)));
  EXPECT_EQ(outcome.ending(), v1::SUCCEEDED) << outcome.DebugString();
  ASSERT_EQ(outcome.warnings_size(), 1);
  EXPECT_THAT(outcome.warnings(0), HasSubstr("child processes outlived the task"));
  AwaitSuccessor("cpu-0-sub", 1);
}

TEST_F(LeftBehindTest, AThreadOfNativeCodes) {
  StartSmallServer();
  constexpr char kThread[] = R"python(
import ctypes
libc = ctypes.CDLL("libc.so.6")
thread = ctypes.c_ulong()
libc.pthread_create(ctypes.byref(thread), None, libc.sleep, ctypes.c_void_p(600))
)python";
  const v1::Outcome outcome = Run(Script(v1::CPU, kThread));
  EXPECT_EQ(outcome.ending(), v1::SUCCEEDED) << outcome.DebugString();
  ASSERT_EQ(outcome.warnings_size(), 1);
  EXPECT_THAT(outcome.warnings(0), HasSubstr("1 thread outlived the task"));
  AwaitSuccessor("cpu-0", 1);
}

TEST_F(LeftBehindTest, NoTimerCanBe) {
  StartSmallServer();
  constexpr char kTimer[] =
      "import ctypes\nprint(ctypes.CDLL(None).timer_create(1, None, ctypes.byref(ctypes.c_void_p())))";
  EXPECT_EQ(Run(Script(v1::CPU, kTimer)).stdout(), "-1\n");
}

// Shared memory, which no resource limit of a process bounds.
constexpr char kHoard[] = R"python(
import mmap
hoard = mmap.mmap(-1, 256 << 20)
for i in range(0, len(hoard), 4096): hoard[i] = 1
)python";

class MemoryTest : public ServerFixture {};

TEST_F(MemoryTest, OfACpuInterpreterIsBoundedAndTheOverrunIsTyped) {
  StartSmallServer({"--cpu-memory", "96MiB"});
  if (GetInfo().isolation_level() != "full") GTEST_SKIP() << "no control groups here";
  const v1::Outcome outcome = Run(Script(v1::CPU, kHoard));
  EXPECT_EQ(outcome.ending(), v1::MEMORY_LIMIT) << outcome.DebugString();
  EXPECT_EQ(outcome.evidence().allowed(), 96u << 20);
  EXPECT_THAT(outcome.evidence().detail(), HasSubstr("oom_kill 1"));
  EXPECT_EQ(Run(Script(v1::CPU, "print(1)")).stdout(), "1\n");
  EXPECT_EQ(Slot("cpu-0").restarts(0).cause(), "memory_limit");
}

TEST_F(MemoryTest, FilesCountAsMemoryAndAreGoneWithTheInterpreter) {
  StartSmallServer({"--cpu-memory", "96MiB"});
  if (GetInfo().isolation_level() != "full") GTEST_SKIP() << "no control groups here";
  for (int i = 0; i < 3; ++i) {
    const v1::Outcome outcome =
        Run(Script(v1::CPU, "with open('file', 'wb') as f:\n    for i in range(200): f.write(bytes(1 << 20))"));
    EXPECT_EQ(outcome.ending(), v1::MEMORY_LIMIT) << outcome.DebugString();
    EXPECT_FALSE(Sees(v1::CPU, "/tmp/file"));
  }
}

TEST_F(MemoryTest, OfAnIoInterpreterIsItsTasksTogether) {
  StartSmallServer({"--io-memory", "96MiB"});
  if (GetInfo().isolation_level() != "full") GTEST_SKIP() << "no control groups here";
  const v1::Outcome outcome = Run(Script(v1::IO, kHoard));
  EXPECT_EQ(outcome.ending(), v1::INTERPRETER_LOST) << outcome.DebugString();
  EXPECT_THAT(outcome.evidence().detail(), HasSubstr("all in it took more than"));
  EXPECT_EQ(Run(Script(v1::IO, "print(1)")).stdout(), "1\n");
}

class IsolationTest : public ServerFixture {};

TEST_F(IsolationTest, InfoNamesEveryLayer) {
  StartSmallServer();
  const v1::Info info = GetInfo();
  if (geteuid() == 0) {
    EXPECT_EQ(info.isolation_level(), "full") << info.DebugString();
  }
  for (const v1::LaneInfo& lane : info.lanes()) {
    EXPECT_THAT(lane.isolation(), Contains("seccomp"));
    EXPECT_THAT(lane.isolation(), Contains("mount-namespace"));
  }
}

TEST_F(IsolationTest, TheLogOfTheStartAndAMetricNameEveryLayerToo) {
  StartSmallServer({"--without-layers", "landlock"});
  // Its stderr.
  std::ifstream file("/proc/" + std::to_string(pid()) + "/fd/2");
  std::map<std::string, std::string> log;  // its line, by lane
  for (std::string line; std::getline(file, line);) {
    for (const char* const lane : {"io", "cpu"}) {
      if (line.find(std::string("\"message\":\"isolation\",\"lane\":\"") + lane) == std::string::npos) continue;
      EXPECT_TRUE(log.emplace(lane, line).second) << "once";
    }
  }
  const std::string metrics = HttpGet("/metrics").body;
  const v1::Info all = GetInfo();
  ASSERT_EQ(all.lanes_size(), 2);
  for (const v1::LaneInfo& info : all.lanes()) {
    const std::string lane = info.lane() == v1::IO_LANE ? "io" : "cpu";
    const std::string series = "gild_isolation_layer{lane=\"" + lane + "\",layer=\"";
    for (const std::string& layer : info.isolation()) {
      EXPECT_THAT(metrics, HasSubstr(series + layer + "\"} 1\n"));
      EXPECT_THAT(log[lane], HasSubstr(layer));
    }
    EXPECT_THAT(metrics, HasSubstr(series + "landlock\"} 0\n"));
    EXPECT_THAT(log[lane], HasSubstr("landlock: switched off"));
  }
}

TEST_F(IsolationTest, ALayerThatIsSwitchedOffIsToldAndTheServerServesUnlessMoreIsRequired) {
  StartSmallServer({"--without-layers", "seccomp"});
  const v1::Info info = GetInfo();
  EXPECT_EQ(info.isolation_level(), "none");
  ASSERT_GT(info.lanes(1).missing_isolation_size(), 0);
  EXPECT_EQ(info.lanes(1).missing_isolation(0).layer(), "seccomp");
  EXPECT_EQ(info.lanes(1).missing_isolation(0).why(), "switched off");
  EXPECT_EQ(Run(Script(v1::CPU, "print(1)")).stdout(), "1\n");
  const CommandResult refused = RunCommand({GILD_SERVER, "--listen", "127.0.0.1:0", "--http-listen", "127.0.0.1:0",
                                            "--without-layers", "seccomp", "--require-isolation", "user"});
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_THAT(refused.err, HasSubstr("does not give the isolation that is required"));
  EXPECT_THAT(refused.err, HasSubstr("seccomp: switched off"));
  EXPECT_THAT(refused.out, IsEmpty());
}

TEST_F(IsolationTest, AServerThatRefusesToServeHasTakenNoCall) {
  char folder[] = "/tmp/gild-refuses-XXXXXX";
  ASSERT_NE(mkdtemp(folder), nullptr);
  const std::string address = std::string("unix:") + folder + "/socket";
  std::atomic<bool> over{false};
  std::thread client([&] {
    grpc::ChannelArguments own;
    own.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);  // so that none waits before it connects again
    while (!over) {
      const auto executor =
          v1::Executor::NewStub(grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), own));
      v1::RunRequest request;
      *request.mutable_task() = Script(v1::CPU, "print(1)");
      v1::RunReply reply;
      grpc::ClientContext context;
      EXPECT_FALSE(executor->Run(&context, request, &reply).ok()) << reply.DebugString();
    }
  });
  // Many slots take their time.
  const CommandResult refused =
      RunCommand({GILD_SERVER, "--listen", address, "--http-listen", "127.0.0.1:0", "--io-interpreters", "32",
                  "--without-layers", "landlock", "--require-isolation", "full"});
  over = true;
  client.join();
  EXPECT_EQ(refused.exit_code, 1);
  std::filesystem::remove_all(folder);
}

// Without root: what the kernel grants an ordinary user.
class OrdinaryUserTest : public ServerFixture {
 protected:
  void SetUp() override {
    if (geteuid() == 0 && std::string(GILD_PYTHON) != "/usr/bin/python3") {
      GTEST_SKIP() << "another Python may be closed to others";
    }
    if (!BeOrdinaryUser()) GTEST_SKIP() << "nobody else can run what was built";
  }
  // As its head comment says, and the next task is served.
  void ExpectContained(const std::string& name) {
    bool is_there = false;
    for (const Citizen& citizen : Citizens(name.substr(0, name.find('/')))) {
      if (citizen.name != name) continue;
      is_there = true;
      EXPECT_EQ(Unexpected(citizen, Run(citizen.task)), "") << name;
      EXPECT_EQ(Run(Script(citizen.tag, "print(1)")).stdout(), "1\n") << "after " << name;
    }
    EXPECT_TRUE(is_there) << name;
  }
};

TEST_F(OrdinaryUserTest, TasksOfBothLanesRunAndBadCitizensEndAsTheySay) {
  StartSmallServer();
  for (const v1::Tag tag : {v1::IO, v1::CPU}) {
    EXPECT_EQ(Run(Script(tag, "print(6 * 7)")).stdout(), "42\n");
    const v1::Task runs = Script(tag, "import subprocess\nsubprocess.run(['echo'], check=True)");
    EXPECT_EQ(Run(runs).ending(), v1::RAISED);
    EXPECT_EQ(Run(WithProcesses(runs)).ending(), v1::SUCCEEDED);
  }
  for (const char* const name : {"hangs/busy", "hangs/sleep_with_lock", "hangs/child_ignores_signals",
                                 "crashes/segfault", "crashes/kill_everybody", "escapes/above_the_root",
                                 "escapes/kernel_files", "escapes/keyrings", "residue/scratch_files"}) {
    ExpectContained(name);
  }
}

TEST_F(OrdinaryUserTest, InfoTellsWhatIsInForceAndWhyTheRestIsMissing) {
  StartSmallServer();
  const v1::Info info = GetInfo();
  EXPECT_EQ(info.isolation_level(), "user");
  for (const v1::LaneInfo& lane : info.lanes()) {
    for (const char* const layer : {"user-namespace", "pid-namespace", "mount-namespace", "ipc-namespace",
                                    "uts-namespace", "cgroup-namespace", "seccomp", "no-capabilities", "no-new-privs",
                                    "rlimits", "oom-score", "closed-descriptors", "clean-environment"}) {
      EXPECT_THAT(lane.isolation(), Contains(layer));
    }
    std::map<std::string, std::string> missing;
    for (const v1::MissingLayer& layer : lane.missing_isolation()) missing[layer.layer()] = layer.why();
    EXPECT_THAT(missing["own-uid"], HasSubstr("only root can become another user"));
    for (const char* const layer : {"memory-group", "pids-group", "cpu-group", "kill-group"}) {
      EXPECT_THAT(lane.isolation(), Not(Contains(layer)));
      EXPECT_THAT(missing[layer], Not(IsEmpty())) << layer;
    }
  }
}

TEST_F(OrdinaryUserTest, NoServerIsThereWhereMoreIsRequired) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can become an ordinary user";
  const CommandResult refused =
      RunCommand({"/usr/bin/setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", GILD_SERVER, "--listen",
                  "127.0.0.1:0", "--http-listen", "127.0.0.1:0", "--require-isolation", "full"});
  EXPECT_EQ(refused.exit_code, 1) << refused.err;
  EXPECT_THAT(refused.err, HasSubstr("\"given\":\"user\"")) << "namespaces, a filter of system calls, Landlock";
  EXPECT_THAT(refused.err, HasSubstr("only root can become another user"));
}

}  // namespace
}  // namespace gild::testing
