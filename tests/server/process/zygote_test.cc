#include "server/process/zygote.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/process/orphans.h"
#include "tests/testing/poller_thread.h"

namespace gild {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::Pair;

// A zygote that behaves as its --preload says. Its inits and interpreters are plain forks.
constexpr char kFakeZygote[] = R"python(#!/usr/bin/python3
import array, os, signal, socket, struct, sys, time

mode = sys.argv[sys.argv.index("--preload") + 1]
fd = int(sys.argv[sys.argv.index("--zygote-fd") + 1])
server = socket.socket(fileno=fd)

def varint(n):
    out = b""
    while True:
        n, low = n >> 7, n & 127
        out += bytes([low | (128 if n else 0)])
        if not n: return out
def number(field, n): return varint(field << 3) + varint(n)
def text(field, value): return varint(field << 3 | 2) + varint(len(value)) + value
def send(to, message):
    try: to.sendall(struct.pack("<I", len(message)) + message)
    except BrokenPipeError: pass  # nobody hears it any more
def parse(message):
    fields, at = {}, 0
    def read():
        nonlocal at
        n = shift = 0
        while True:
            n |= (message[at] & 127) << shift; shift += 7; at += 1
            if message[at - 1] < 128: return n
    while at < len(message):
        key = read()
        if key & 7 == 0: fields[key >> 3] = read()
        else:
            size = read(); fields[key >> 3] = message[at:at + size]; at += size
    return fields
def receive(conversation):
    data, fds = b"", []
    while len(data) < 4 or len(data) < 4 + struct.unpack("<I", data[:4])[0]:
        want = 4 - len(data) if len(data) < 4 else 4 + struct.unpack("<I", data[:4])[0] - len(data)
        piece, control, _, _ = conversation.recvmsg(want, socket.CMSG_SPACE(32))
        if not piece: return None, fds
        data += piece
        for _, kind, value in control:
            if kind == socket.SCM_RIGHTS: fds += array.array("i", value)
    return parse(data[4:]), fds

def interpreter(channel, page):
    signal.pause()

def init(conversation):
    if mode == "no-entry": send(conversation, text(1, text(3, b"mount /proc: no"))); os._exit(0)
    missing = text(2, text(1, b"seccomp") + text(2, b"no filter")) if mode == "missing" else b""
    send(conversation, text(1, (text(1, b"join it: no") if mode == "missed-group" else b"")
                            + text(2, text(1, b"pid-namespace") + text(1, b"seccomp") + missing)))
    child = generation = 0
    while True:
        order, fds = receive(conversation)
        if order is None:
            while mode == "deaf-init": signal.pause()
            if child: os.kill(child, signal.SIGKILL); os.waitpid(child, 0)
            os._exit(0)
        if 1 in order:
            generation = parse(order[1])[1]
            assert os.fstat(fds[1]).st_size > 0 and len(fds) == 2
            child = os.fork()
            if child == 0: interpreter(*fds)
            for fd in fds: os.close(fd)
            send(conversation, text(2, number(1, generation) + number(2, child)))
        if 2 in order:
            kill = parse(order[2])
            os.kill(child, kill[2])
            _, status, usage = os.wait4(child, 0)
            child = 0
            send(conversation, text(3, number(1, generation) + number(2, status) + number(3, 30) + number(4, 40)
                                     + number(5, 50)))

if mode == "silent": signal.pause()
if mode == "dies": sys.exit(3)
if mode == "garbage": server.sendall(b"\xff\xff\xff\xff"); signal.pause()
if mode == "no-module": send(server, text(1, text(5, b"import nosuch: No module named 'nosuch'"))); sys.exit(1)
fds = sorted(int(name) for name in os.listdir("/proc/self/fd"))
report = {"environment": repr(sorted(os.environ)), "fds": repr(fds[:-1]), "stdin": os.readlink("/proc/self/fd/0"),
          "session": repr(os.getsid(0) == os.getpid())}.get(mode, mode)
send(server, text(1, text(1, b"3.11.2") + number(2, 1) + text(3, b"exact") + text(4, report.encode())
             + text(6, text(1, b"rlimits"))))
slots = {}
signal.signal(signal.SIGCHLD, lambda *_: None)
def reap():
    while True:
        try: pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError: return
        if pid == 0: return
        send(server, text(3, number(1, slots.pop(pid)) + number(2, status)))
import select
wake_read, wake_write = os.pipe(); os.set_blocking(wake_write, False); signal.set_wakeup_fd(wake_write)
while True:
    for ready in select.select([server, wake_read], [], [])[0]:
        if ready is server:
            order, fds = receive(server)
            if order is None:
                while mode == "deaf": signal.pause()
                os._exit(0)
            slot = parse(order[1])
            if mode == "no-slots":
                send(server, text(2, number(1, slot[1]) + text(2, b"fork") + number(3, 11))); continue
            pid = os.fork()
            if pid == 0:
                signal.set_wakeup_fd(-1); server.close(); init(socket.socket(fileno=fds[0]))
            os.close(fds[0])
            slots[pid] = slot[1]
        else:
            os.read(wake_read, 100); reap()
)python";

class ZygoteTest : public ::testing::Test {
 protected:
  ZygoteTest() {
    EXPECT_NE(mkdtemp(folder_.data()), nullptr);
    program_ = folder_ + "/zygote";
    std::ofstream(program_) << kFakeZygote;
    chmod(program_.c_str(), 0755);
  }
  ~ZygoteTest() override {
    poller_.End();
    if (zygote_) zygote_->Stop(kStopNs);
    slots_.clear();
    zygote_.reset();
    unlink(program_.c_str());
    rmdir(folder_.c_str());
    // The end of a zygote leaves nothing behind.
    EXPECT_EQ(waitpid(-1, nullptr, WNOHANG), -1);
  }

  absl::Status Start(const std::string& mode, int64_t ready_limit_ns = 60 * kNsPerSecond) {
    absl::StatusOr<std::unique_ptr<Zygote>> started =
        Zygote::Start(poller_.get(), {.program = program_,
                                      .preload = {mode},
                                      .ready_limit_ns = ready_limit_ns,
                                      .on_gone = [this](absl::Status) { zygote_gone_.Notify(); },
                                      .on_group_missed = [this](const std::string& why) { group_missed_ = why; },
                                      .on_too_little =
                                          [this](IsolationLevel given, const std::string& lacks) {
                                            too_little_ = absl::StrCat(Name(given), ", lacks ", lacks);
                                          }});
    if (!started.ok()) return started.status();
    zygote_ = *std::move(started);
    return absl::OkStatus();
  }
  // What the zygote says of itself.
  std::string Report(const std::string& mode) {
    EXPECT_TRUE(Start(mode).ok());
    return zygote_ ? zygote_->info().preloaded.at(0) : "";
  }

  // The callbacks of one slot, in the order they came.
  struct Slot {
    std::unique_ptr<SlotProcess> process;
    absl::Mutex mutex;
    bool ready ABSL_GUARDED_BY(mutex) = false;
    std::vector<std::pair<uint64_t, int>> started ABSL_GUARDED_BY(mutex);
    std::vector<InterpreterEnd> ended ABSL_GUARDED_BY(mutex);
    std::vector<absl::Status> gone ABSL_GUARDED_BY(mutex);

    void AwaitReady() {
      Await([this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) { return ready; });
    }
    void AwaitStarted() {
      Await([this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) { return !started.empty(); });
    }
    InterpreterEnd AwaitEnded() {
      Await([this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) { return !ended.empty(); });
      absl::MutexLock lock(&mutex);
      return ended.front();
    }
    absl::Status AwaitGone() {
      Await([this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) { return !gone.empty(); });
      absl::MutexLock lock(&mutex);
      return gone.front();
    }
    template <typename Predicate>
    void Await(Predicate predicate) {
      absl::MutexLock lock(&mutex);
      mutex.Await(absl::Condition(&predicate));
    }
  };

  Slot& MakeSlot(IsolationLevel required = IsolationLevel::kNone) {
    slots_.push_back(std::make_unique<Slot>());
    Slot* const slot = slots_.back().get();
    poller_.Do([this, slot, required] {
      slot->process = zygote_->MakeSlot({.name = "cpu-0", .scratch = "/", .core = -1, .nice = 0, .required = required},
                                        {.on_ready =
                                             [slot] {
                                               absl::MutexLock lock(&slot->mutex);
                                               slot->ready = true;
                                             },
                                         .on_started =
                                             [slot](uint64_t generation, int error) {
                                               absl::MutexLock lock(&slot->mutex);
                                               slot->started.emplace_back(generation, error);
                                             },
                                         .on_ended =
                                             [slot](const InterpreterEnd& end) {
                                               absl::MutexLock lock(&slot->mutex);
                                               slot->ended.push_back(end);
                                             },
                                         .on_gone =
                                             [slot](const absl::Status& reason) {
                                               absl::MutexLock lock(&slot->mutex);
                                               slot->gone.push_back(reason);
                                             }});
    });
    return *slot;
  }

  void StartInterpreter(Slot& slot, uint64_t generation) {
    poller_.Do([&] {
      auto page = PageFd();
      slot.process->StartInterpreter(generation, /*alone=*/true, UniqueFd(dup(1)), std::move(page));
    });
  }
  static UniqueFd PageFd() { return UniqueFd(open("/proc/self/exe", O_RDONLY | O_CLOEXEC)); }

  // Of the zygote's direct children.
  std::vector<int> Inits() { return ChildrenOf(zygote_->pid()); }

  // Readable once a process has ended. Taken while it lives, so that its number is still its own.
  static UniqueFd PidFd(int pid) {
    UniqueFd fd(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
    EXPECT_TRUE(fd.valid());
    return fd;
  }
  // Without a limit: one that lives on is seen as a test that hangs.
  static void AwaitEnd(const UniqueFd& process) {
    pollfd ended{.fd = process.get(), .events = POLLIN, .revents = 0};
    EXPECT_EQ(poll(&ended, 1, -1), 1);
  }

  static std::vector<int> ChildrenOf(int parent) {
    std::vector<int> children;
    DIR* const proc = opendir("/proc");
    while (const dirent* entry = readdir(proc)) {
      int pid;
      if (!absl::SimpleAtoi(entry->d_name, &pid)) continue;
      std::ifstream file(std::string("/proc/") + entry->d_name + "/stat");
      std::stringstream text;
      text << file.rdbuf();
      const std::string stat = text.str();
      const std::vector<std::string> words = absl::StrSplit(stat.substr(stat.rfind(')') + 1), ' ');
      if (words.size() > 2 && words[2] == std::to_string(parent) && words[1] != "Z") children.push_back(pid);
    }
    closedir(proc);
    return children;
  }

  static constexpr int64_t kStopNs = 10 * kNsPerSecond;
  std::string folder_ = ::testing::TempDir() + "/gild-zygote-XXXXXX";
  std::string program_;
  testing::PollerThread poller_;
  std::unique_ptr<Zygote> zygote_;
  std::vector<std::unique_ptr<Slot>> slots_;
  absl::Notification zygote_gone_;
  std::string group_missed_;  // written before its slot is ready, which is waited for
  std::string too_little_;    // or gone, likewise
};

// ---- its start ----

TEST_F(ZygoteTest, ReportsWhatItIs) {
  ASSERT_TRUE(Start("numpy").ok());
  EXPECT_EQ(zygote_->info().python_version, "3.11.2");
  EXPECT_TRUE(zygote_->info().meter_available);
  EXPECT_EQ(zygote_->info().meter_detail, "exact");
  EXPECT_THAT(zygote_->info().preloaded, ElementsAre("numpy"));
}

TEST_F(ZygoteTest, HasACleanEnvironment) {
  setenv("GILD_TEST_SECRET", "1", 1);
  const std::string names = Report("environment");
  unsetenv("GILD_TEST_SECRET");
  EXPECT_THAT(names, Not(HasSubstr("SECRET")));
  EXPECT_THAT(names, HasSubstr("'HOME', 'LANG'"));
  EXPECT_THAT(names, HasSubstr("'OMP_NUM_THREADS'"));
}

TEST_F(ZygoteTest, HasFourDescriptorsOfOurs) {
  const UniqueFd leak(dup(1));  // without close-on-exec
  EXPECT_EQ(Report("fds"), "[0, 1, 2, 3]");
}

TEST_F(ZygoteTest, ReadsNothingOfOurInput) { EXPECT_EQ(Report("stdin"), "/dev/null"); }

TEST_F(ZygoteTest, HasASessionOfItsOwn) { EXPECT_EQ(Report("session"), "True"); }

TEST_F(ZygoteTest, SaysWhyItCannotServe) {
  const absl::Status status = Start("no-module");
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(status.message(), "import nosuch: No module named 'nosuch'");
}

TEST_F(ZygoteTest, AProgramThatIsNotThereIsAnError) {
  program_ += "-not-there";
  EXPECT_EQ(Start("").code(), absl::StatusCode::kNotFound);
  program_.resize(program_.size() - 10);
}

TEST_F(ZygoteTest, OneThatDiesBeforeItIsReadyIsAnError) {
  EXPECT_EQ(Start("dies").code(), absl::StatusCode::kUnavailable);
}

TEST_F(ZygoteTest, OneThatSaysNothingIsGivenUp) {
  EXPECT_EQ(Start("silent", 10 * kNsPerMs).code(), absl::StatusCode::kDeadlineExceeded);
}

TEST_F(ZygoteTest, OneThatBabblesIsAnError) { EXPECT_EQ(Start("garbage").code(), absl::StatusCode::kInvalidArgument); }

// ---- slots ----

TEST_F(ZygoteTest, ALayerThatASlotLacksIsNotInForce) {
  ASSERT_TRUE(Start("missing").ok());
  MakeSlot().AwaitReady();
  EXPECT_THAT(zygote_->isolation(LaneKind::kCpu).in_force, ElementsAre("pid-namespace", "rlimits"));
  EXPECT_THAT(zygote_->isolation(LaneKind::kCpu).missing, ElementsAre(Pair("seccomp", "no filter")));
}

TEST_F(ZygoteTest, ASlotWithLessThanIsRequiredIsGoneAndSaysWhatItLacks) {
  ASSERT_TRUE(Start("missing").ok());
  EXPECT_EQ(MakeSlot(IsolationLevel::kUser).AwaitGone().message(),
            "isolation user is required, it has none: seccomp: no filter");
  EXPECT_EQ(too_little_, "none, lacks seccomp: no filter");
  EXPECT_THAT(zygote_->isolation(LaneKind::kCpu).missing, IsEmpty()) << "no task runs there";
}

TEST_F(ZygoteTest, AnInitThatCannotBecomeWhatItShouldIsGoneWithTheStepNamed) {
  ASSERT_TRUE(Start("no-entry").ok());
  EXPECT_THAT(std::string(MakeSlot().AwaitGone().message()), HasSubstr("mount /proc: no"));
}

TEST_F(ZygoteTest, ASlotStartsInterpretersAndTellsHowTheyEnded) {
  ASSERT_TRUE(Start("").ok());
  Slot& slot = MakeSlot();
  slot.AwaitReady();
  EXPECT_THAT(zygote_->isolation(LaneKind::kCpu).in_force, ElementsAre("pid-namespace", "seccomp", "rlimits"));
  EXPECT_THAT(zygote_->isolation(LaneKind::kCpu).missing, IsEmpty());
  EXPECT_THAT(zygote_->isolation(LaneKind::kIo).in_force, IsEmpty()) << "no slot of it has been made";
  StartInterpreter(slot, 7);
  slot.AwaitStarted();
  poller_.Do([&] { slot.process->KillInterpreter(7, SIGKILL); });
  const InterpreterEnd end = slot.AwaitEnded();
  EXPECT_EQ(end.generation, 7u);
  EXPECT_TRUE(WIFSIGNALED(end.wait_status));
  EXPECT_EQ(WTERMSIG(end.wait_status), SIGKILL);
  EXPECT_EQ(end.user_cpu_ns, 30);
  EXPECT_EQ(end.system_cpu_ns, 40);
  EXPECT_EQ(end.peak_memory_bytes, 50);
}

TEST_F(ZygoteTest, ASlotThatIsNotInItsGroupSaysSoAndServes) {
  ASSERT_TRUE(Start("missed-group").ok());
  Slot& slot = MakeSlot();
  slot.AwaitReady();
  EXPECT_EQ(group_missed_, "join it: no");
  StartInterpreter(slot, 7);
  slot.AwaitStarted();
}

TEST_F(ZygoteTest, ASlotThatCannotBeMadeIsGone) {
  ASSERT_TRUE(Start("no-slots").ok());
  const absl::Status reason = MakeSlot().AwaitGone();
  EXPECT_THAT(std::string(reason.message()), HasSubstr("make slot cpu-0: fork"));
}

TEST_F(ZygoteTest, AnInitThatIsKilledIsToldOnceAndItsInterpreterDoesNotSurvive) {
  ASSERT_TRUE(Start("").ok());
  Slot& slot = MakeSlot();
  slot.AwaitReady();
  StartInterpreter(slot, 1);
  slot.AwaitStarted();
  ASSERT_EQ(Inits().size(), 1u);
  const int init = Inits()[0];
  const std::vector<int> interpreters = ChildrenOf(init);
  ASSERT_EQ(interpreters.size(), 1u);
  const UniqueFd interpreter = PidFd(interpreters[0]);
  kill(init, SIGKILL);
  EXPECT_FALSE(slot.AwaitGone().ok());
  AwaitEnd(interpreter);
  // A second slot has come and gone since: the first one's end has been told in full.
  Slot& second = MakeSlot();
  second.AwaitReady();
  absl::MutexLock lock(&slot.mutex);
  EXPECT_EQ(slot.gone.size(), 1u);
}

TEST_F(ZygoteTest, LettingGoOfASlotEndsItsInit) {
  ASSERT_TRUE(Start("").ok());
  Slot& slot = MakeSlot();
  slot.AwaitReady();
  const std::vector<int> inits = Inits();
  ASSERT_EQ(inits.size(), 1u);
  const UniqueFd init = PidFd(inits[0]);
  poller_.Do([&] { slot.process.reset(); });
  AwaitEnd(init);
  absl::MutexLock lock(&slot.mutex);
  EXPECT_TRUE(slot.gone.empty());  // whoever lets go is not told
}

TEST_F(ZygoteTest, AnInitThatWillNotEndIsKilled) {
  ASSERT_TRUE(Start("deaf-init").ok());
  Slot& slot = MakeSlot();
  slot.AwaitReady();
  const std::vector<int> inits = Inits();
  ASSERT_EQ(inits.size(), 1u);
  const UniqueFd init = PidFd(inits[0]);
  poller_.Do([&] { slot.process.reset(); });
  AwaitEnd(init);
}

// ---- its end ----

TEST_F(ZygoteTest, ItsDeathIsTold) {
  ASSERT_TRUE(Start("").ok());
  kill(zygote_->pid(), SIGKILL);
  zygote_gone_.WaitForNotification();
}

TEST_F(ZygoteTest, StopTakesEverythingAlong) {
  ASSERT_TRUE(Start("").ok());
  Slot& first = MakeSlot();
  Slot& second = MakeSlot();
  first.AwaitReady();
  second.AwaitReady();
  StartInterpreter(first, 1);
  first.AwaitStarted();
  poller_.End();
  zygote_->Stop(kStopNs);
  EXPECT_EQ(waitpid(-1, nullptr, WNOHANG), -1);
  EXPECT_FALSE(zygote_gone_.HasBeenNotified());
}

TEST_F(ZygoteTest, StopKillsWhatWillNotEnd) {
  ASSERT_TRUE(Start("deaf").ok());
  MakeSlot().AwaitReady();
  poller_.End();
  // The limit is also what the killed have to be reaped in.
  constexpr int64_t kLimitNs = 500 * kNsPerMs;
  const int64_t begin_ns = NowNs();
  zygote_->Stop(kLimitNs);
  EXPECT_GE(NowNs() - begin_ns, kLimitNs) << "it ended by itself";
  EXPECT_EQ(waitpid(-1, nullptr, WNOHANG), -1) << "only a kill ends it";
}

// ---- words ----

TEST(DescribeWaitStatusTest, SaysHowAProcessEnded) {
  EXPECT_EQ(DescribeWaitStatus(3 << 8), "exited with code 3");
  EXPECT_EQ(DescribeWaitStatus(SIGSEGV), "killed by signal 11 (SIGSEGV)");
}

}  // namespace
}  // namespace gild
