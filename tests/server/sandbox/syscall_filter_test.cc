#include "server/sandbox/syscall_filter.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/io_uring.h>
#include <linux/netlink.h>
#include <linux/sched.h>
#include <linux/vm_sockets.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>

#include <cerrno>
#include <latch>
#include <thread>

#include "server/sandbox/descriptor.h"
#include "server/sandbox/scratch_quota.h"
#include "tests/server/sandbox/in_child.h"

namespace gild {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

constexpr Profile kOrdinary = {};
constexpr Profile kNetwork = {.network = true};
constexpr Profile kSubprocess = {.subprocess = true};

// In a child behind the filter. (Its listener is closed: what is refused then fails with ENOSYS, so calls are compared
// with what fails, and counted in another test.)
std::string Behind(const Profile& profile, const std::function<std::string()>& wrong) {
  absl::StatusOr<SyscallFilter> filter = SyscallFilter::Make(profile);
  if (!filter.ok()) return std::string(filter.status().message());
  return InChild([&]() -> std::string {
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    const absl::StatusOr<UniqueFd> listener = filter->Install();
    return listener.ok() ? wrong() : std::string(listener.status().message());
  });
}

// A thread of the init's answers what is refused in the child; what it counted.
std::map<std::string, uint64_t> Counted(const Profile& profile, const std::function<std::string()>& wrong,
                                        const DeniedCalls::Grant& grant = nullptr) {
  absl::StatusOr<SyscallFilter> filter = SyscallFilter::Make(profile);
  EXPECT_TRUE(filter.ok()) << filter.status();
  int ends[2];
  EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
  std::map<std::string, uint64_t> counts;
  // A child that is forked while it starts may find a lock of the allocator's taken for ever.
  std::latch started(1);
  std::thread init([&] {
    started.count_down();
    pollfd handed{.fd = ends[0], .events = POLLIN, .revents = 0};
    poll(&handed, 1, -1);
    DeniedCalls denied(ReceiveDescriptor(ends[0]), grant);
    do {
      pollfd watched{.fd = denied.fd(), .events = POLLIN, .revents = 0};
      poll(&watched, 1, -1);
    } while (denied.Answer());
    counts = denied.Take();
  });
  started.wait();
  EXPECT_EQ(InChild([&]() -> std::string {
              prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
              absl::StatusOr<UniqueFd> listener = filter->Install();
              if (!listener.ok() || !listener->valid()) return "no listener";
              if (!SendDescriptor(ends[1], listener->get()).ok()) return "not handed over";
              listener->reset();
              return wrong();
            }),
            "");
  close(ends[1]);
  init.join();
  close(ends[0]);
  return counts;
}

std::string Expect(const char* what, bool holds) { return holds ? "" : absl::StrCat(what, " "); }

bool Refused(long result) { return result < 0 && errno == EPERM; }

TEST(SyscallFiltersTest, WhatCannotBeMadeSaysWhyAndIsTriedAgain) {
  int tries = 0;
  bool possible = false;
  SyscallFilters filters([&](const Profile& profile) -> absl::StatusOr<SyscallFilter> {
    ++tries;
    if (profile == kSubprocess && !possible) return absl::InternalError("system call filter: export: no room");
    return SyscallFilter::Make(profile);
  });
  EXPECT_FALSE(filters.Of(kSubprocess).ok()) << "nobody has prepared it";
  filters.Prepare(kOrdinary);
  filters.Prepare(kSubprocess);
  EXPECT_TRUE(filters.Of(kOrdinary).ok());
  EXPECT_EQ(filters.Of(kSubprocess).status().message(), "system call filter: export: no room");
  possible = true;
  filters.Prepare(kSubprocess);
  EXPECT_TRUE(filters.Of(kSubprocess).ok());
  filters.Prepare(kSubprocess);
  EXPECT_EQ(tries, 3) << "it takes milliseconds";
}

TEST(SyscallFilterTest, WhatIsRefusedIsToldAndCountedByName) {
  EXPECT_THAT(Counted(kOrdinary,
                      [] {
                        return Expect("socket", Refused(socket(AF_INET, SOCK_STREAM, 0))) +
                               Expect("again", Refused(socket(AF_UNIX, SOCK_STREAM, 0))) +
                               Expect("ptrace", Refused(ptrace(PTRACE_TRACEME, 0, 0, 0))) +
                               Expect("bpf", Refused(syscall(SYS_bpf, 0, 0, 0))) +
                               Expect("no name", Refused(syscall(9999)));
                      }),
              ElementsAre(Pair("(unknown)", 1), Pair("bpf", 1), Pair("ptrace", 1), Pair("socket", 2)));
}

TEST(SyscallFilterTest, ARequestIsAnsweredAndNotCounted) {
  std::vector<std::pair<uint64_t, uint64_t>> asked;
  const auto grant = [&asked](const seccomp_notif& call) -> std::optional<int> {
    const std::optional<ScratchBounds> quota = ScratchQuotaAsked(call.data);
    if (!quota) return std::nullopt;
    asked.emplace_back(quota->bytes, quota->inodes);
    return quota->bytes == 1 ? 0 : ENOSPC;
  };
  EXPECT_THAT(Counted(
                  kOrdinary,
                  [] {
                    return Expect("granted", AskScratchQuota({.bytes = 1, .inodes = 7})) +
                           Expect("not granted", !AskScratchQuota({.bytes = 2, .inodes = 0}) && errno == ENOSPC) +
                           Expect("another's", Refused(syscall(SYS_quotactl, 0, nullptr, 0, nullptr)));
                  },
                  grant),
              ElementsAre(Pair("quotactl", 1)));
  EXPECT_THAT(asked, ::testing::UnorderedElementsAre(Pair(1, 7), Pair(2, 0)));
}

TEST(SyscallFilterTest, NumbersWithoutANameAreCountedTogether) {
  EXPECT_THAT(Counted(kOrdinary,
                      [] {
                        for (int number = 10'000; number < 10'200; ++number) syscall(number);
                        return std::string();
                      }),
              ElementsAre(Pair("(unknown)", 200)));
}

TEST(SyscallFilterTest, ThreadsAreOfOnesOwnProcessesAreNot) {
  EXPECT_EQ(Counted(kOrdinary,
                    [] {
                      bool ran = false;
                      std::thread([&ran] { ran = true; }).join();
                      return Expect("thread", ran) + Expect("fork", Refused(fork())) +
                             Expect("vfork", Refused(syscall(SYS_vfork))) +
                             Expect("execve", Refused(syscall(SYS_execve, "/bin/true", nullptr, nullptr)));
                    })
                .size(),
            3u);  // clone, vfork, execve
}

TEST(SyscallFilterTest, WhoMayStartProcessesStartsThemInNoNewNamespace) {
  Counted(kSubprocess, [] {
    const pid_t child = fork();
    if (child == 0) _exit(0);
    std::string wrong = Expect("fork", child > 0 && waitpid(child, nullptr, 0) == child);
    wrong += Expect("another's child", Refused(syscall(SYS_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0)));
    for (const unsigned long flag : {CLONE_NEWUSER, CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWNET}) {
      wrong += Expect("clone", Refused(syscall(SYS_clone, flag | SIGCHLD, 0, 0, 0, 0)));
      wrong += Expect("unshare", Refused(unshare(static_cast<int>(flag))));
    }
    return wrong;
  });
}

TEST(SyscallFilterTest, LibrariesFallBackWhereTheKernelSaysThatItHasNoSuchCall) {
  EXPECT_EQ(Behind(kOrdinary,
                   [] {
                     clone_args arguments{};
                     io_uring_params parameters{};
                     return Expect("clone3", syscall(SYS_clone3, &arguments, sizeof arguments) < 0 && errno == ENOSYS) +
                            Expect("io_uring", syscall(SYS_io_uring_setup, 1, &parameters) < 0 && errno == ENOSYS);
                   }),
            "");
}

TEST(SyscallFilterTest, OnlyTheNetworkLaneHasSocketsAndOnlyKnownKinds) {
  Counted(kNetwork, [] {
    std::string wrong;
    for (const int family : {AF_INET, AF_INET6, AF_UNIX, AF_NETLINK}) {
      wrong += Expect("allowed", socket(family, SOCK_DGRAM, 0) >= 0);
    }
    for (const int family : {AF_VSOCK, AF_PACKET, AF_ALG, AF_KEY}) {
      wrong += Expect("refused", Refused(socket(family, SOCK_DGRAM, 0)));
    }
    wrong += Expect("TCP", socket(AF_INET, SOCK_STREAM, IPPROTO_TCP) >= 0);
    wrong += Expect("MPTCP", Refused(socket(AF_INET, SOCK_STREAM, IPPROTO_MPTCP)));
    wrong += Expect("sock_diag", Refused(socket(AF_NETLINK, SOCK_DGRAM, NETLINK_SOCK_DIAG)));
    wrong += Expect("uevents", Refused(socket(AF_NETLINK, SOCK_DGRAM, NETLINK_KOBJECT_UEVENT)));
    return wrong;
  });
}

TEST(SyscallFilterTest, ArgumentsAreLookedAtAsTheKernelDoes) {
  Counted(kOrdinary, [] {
    int waiting;
    int ends[2];
    // The kernel looks at the lower 32 bits: so does the filter, whatever stands above them.
    constexpr unsigned long kAbove = 1UL << 32;
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0) return std::string("no socket pair");
    return Expect("FIONREAD", syscall(SYS_ioctl, ends[0], FIONREAD, &waiting) == 0) +
           Expect("FIONREAD above", syscall(SYS_ioctl, ends[0], FIONREAD | kAbove, &waiting) == 0) +
           Expect("TIOCSTI", Refused(syscall(SYS_ioctl, 0, TIOCSTI, "x"))) +
           Expect("TIOCSTI above", Refused(syscall(SYS_ioctl, 0, TIOCSTI | kAbove, "x"))) +
           Expect("F_SETLEASE", Refused(fcntl(ends[0], F_SETLEASE, F_RDLCK))) +
           Expect("device", Refused(mknod("/tmp/device", S_IFBLK | 0600, 0))) +
           Expect("other's limits", Refused(syscall(SYS_prlimit64, 1, 0, nullptr, nullptr)));
  });
}

#if defined(__x86_64__)
TEST(SyscallFilterTest, SocketsTakeNoFiltersAndGiveNoHandlesOfProcesses) {
  Counted(kOrdinary, [] {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0) return std::string("no pair");
    int value = 1 << 16;
    socklen_t bytes = sizeof value;
    constexpr int kPeerPidfd = 77;  // SO_PEERPIDFD, Linux 6.5
    return Expect("buffer", setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &value, bytes) == 0) +
           Expect("error", getsockopt(ends[0], SOL_SOCKET, SO_ERROR, &value, &bytes) == 0) +
           Expect("filter", Refused(setsockopt(ends[0], SOL_SOCKET, SO_ATTACH_FILTER, &value, bytes))) +
           Expect("BPF filter", Refused(setsockopt(ends[0], SOL_SOCKET, SO_ATTACH_BPF, &value, bytes))) +
           Expect("handle", Refused(getsockopt(ends[0], SOL_SOCKET, kPeerPidfd, &value, &bytes)));
  });
}

TEST(SyscallFilterTest, HugePagesAreTheMachines) {
  Counted(kOrdinary, [] {
    constexpr int kPrivate = MAP_PRIVATE | MAP_ANONYMOUS;
    void* const plain = mmap(nullptr, 4096, PROT_READ, kPrivate, -1, 0);
    void* const huge = mmap(nullptr, 2 << 20, PROT_READ, kPrivate | MAP_HUGETLB, -1, 0);
    return Expect("plain", plain != MAP_FAILED) + Expect("huge", huge == MAP_FAILED && errno == EPERM) +
           Expect("huge file", Refused(memfd_create("huge", MFD_HUGETLB)));
  });
}

TEST(SyscallFilterTest, TimersThatEndTheProcessAreOfThoseWhoHaveItToThemselves) {
  constexpr Profile kShared = {.shared = true};
  const itimerval later{.it_interval = {}, .it_value = {.tv_sec = 3600, .tv_usec = 0}};
  Counted(kOrdinary, [&] { return Expect("timer", setitimer(ITIMER_REAL, &later, nullptr) == 0); });
  Counted(kShared, [&] {
    return Expect("timer", Refused(setitimer(ITIMER_REAL, &later, nullptr))) +
           Expect("alarm", Refused(syscall(SYS_alarm, 3600)));
  });
}

TEST(SyscallFilterTest, NumbersOfAnotherArchitectureEndTheProcess) {
  const std::string killed = absl::StrCat("(wait status ", SIGSYS);
  EXPECT_THAT(Behind(kOrdinary,
                     [] {
                       long result = 20;  // getpid of i386
                       asm volatile("int $0x80" : "+a"(result) : : "memory");
                       return std::string("it went on");
                     }),
              HasSubstr(killed));
  EXPECT_THAT(Behind(kOrdinary,
                     [] {
                       syscall(SYS_getpid | 0x40000000);  // x32
                       return std::string("it went on");
                     }),
              HasSubstr(killed));
}
#endif

}  // namespace
}  // namespace gild
