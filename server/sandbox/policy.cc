#include "server/sandbox/policy.h"

#include <asm/ioctls.h>
#include <asm/socket.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/prctl.h>
#include <linux/sched.h>
#include <netinet/in.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <iterator>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace gild {
namespace {

constexpr uint64_t kAll32 = 0xffffffff;
constexpr uint64_t kNewNamespaces = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER |
                                    CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWTIME;

constexpr Seen kSeen[] = {
    // Python, its modules, and the shared libraries of extension modules.
    {"/usr/lib"},
    {"/usr/lib32"},
    {"/usr/lib64"},
    {"/usr/local/lib"},
    // Which of several BLAS libraries NumPy loads.
    {"/etc/alternatives"},
    {"/etc/ld.so.cache"},
    {"/etc/localtime"},
    {"/etc/mime.types"},
    {"/usr/share/zoneinfo"},
    {"/usr/share/mime"},
    // Names of the network, and whom to trust there.
    {"/etc/gai.conf", true},
    {"/etc/host.conf", true},
    {"/etc/hosts", true},
    {"/etc/nsswitch.conf", true},
    {"/etc/protocols", true},
    {"/etc/resolv.conf", true},
    {"/etc/services", true},
    {"/etc/ssl/certs", true},
    {"/etc/ssl/openssl.cnf", true},
    {"/usr/share/ca-certificates", true},
    {"/usr/local/share/ca-certificates", true},
    // Programs.
    {"/usr/bin", false, true},
    {"/usr/sbin", false, true},
    {"/usr/local/bin", false, true},
};

// clang-format off
// Whatever they are given, they reach nothing but the process itself, its own files and its own clock.
constexpr const char* kPlain[] = {
    // Files, by descriptor.
    "read", "readv", "pread64", "preadv", "preadv2", "write", "writev", "pwrite64", "pwritev", "pwritev2", "lseek",
    "close", "close_range", "dup", "dup2", "dup3", "pipe", "pipe2", "fstat", "fstatfs", "fsync", "fdatasync",
    "ftruncate", "fallocate", "fadvise64", "readahead", "sync_file_range", "getdents", "getdents64",
    "copy_file_range", "sendfile", "fchdir", "fchmod", "poll", "ppoll", "select", "pselect6", "epoll_create",
    "epoll_create1", "epoll_ctl", "epoll_wait", "epoll_pwait", "epoll_pwait2", "eventfd", "eventfd2",
    "timerfd_create", "timerfd_settime", "timerfd_gettime", "signalfd", "signalfd4",
    // Files, by name: the slot's own view of them.
    "open", "openat", "creat", "stat", "lstat", "newfstatat", "statx", "statfs", "access", "faccessat", "faccessat2",
    "getcwd", "chdir", "rename", "renameat", "renameat2", "mkdir", "mkdirat", "rmdir", "unlink", "unlinkat", "link",
    "linkat", "symlink", "symlinkat", "readlink", "readlinkat", "chmod", "fchmodat", "truncate", "utime", "utimes",
    "utimensat", "futimesat", "umask", "getxattr", "lgetxattr", "fgetxattr", "listxattr", "llistxattr", "flistxattr",
    // Memory.
    "munmap", "mremap", "mprotect", "madvise", "brk", "msync", "mincore", "mlock", "mlock2", "munlock",
    "membarrier",
    // Threads and signals of one's own.
    "futex", "set_robust_list", "set_tid_address", "rseq", "sched_yield", "exit", "exit_group", "gettid", "getpid",
    "getppid", "getpgrp", "getpgid", "getsid", "arch_prctl", "restart_syscall", "rt_sigaction", "rt_sigprocmask",
    "rt_sigreturn", "rt_sigpending", "rt_sigsuspend", "rt_sigtimedwait", "rt_sigqueueinfo", "rt_tgsigqueueinfo",
    "sigaltstack", "kill", "tkill", "tgkill", "pause", "getitimer",
    "timer_settime", "timer_gettime", "timer_getoverrun", "timer_delete", "wait4", "waitid",
    // Time and figures.
    "clock_gettime", "clock_getres", "clock_nanosleep", "nanosleep", "gettimeofday", "time", "times", "getrusage",
    "uname", "sysinfo", "getrandom", "getcpu", "getuid", "geteuid", "getgid", "getegid", "getgroups", "getresuid",
    "getresgid", "capget", "getpriority", "sched_getaffinity", "sched_getparam", "sched_getscheduler",
    "sched_get_priority_min", "sched_get_priority_max", "sched_rr_get_interval", "getrlimit", "setrlimit",
    // Socket pairs, which asyncio and multiprocessing wake themselves with.
    "sendto", "sendmsg", "sendmmsg", "recvfrom", "recvmsg", "recvmmsg", "shutdown", "getsockname", "getpeername",
};

constexpr const char* kNetwork[] = {
    "bind", "connect", "listen", "accept", "accept4",
};

constexpr const char* kSubprocess[] = {
    "fork", "vfork", "execve", "execveat", "setpgid", "setsid", "pidfd_open", "pidfd_send_signal",
};

constexpr const char* kAbsent[] = {
    // glibc falls back to clone, whose flags can be looked at.
    "clone3",
    // Kept out altogether; libraries have another way.
    "io_uring_setup", "io_uring_enter", "io_uring_register", "io_setup", "openat2", "futex_waitv", "process_madvise",
    "process_mrelease", "map_shadow_stack", "fchmodat2", "cachestat", "mseal", "memfd_secret",
    "set_mempolicy_home_node",
};
// clang-format on

}  // namespace

absl::Span<const Seen> SeenPaths() { return kSeen; }

bool IsSeen(absl::string_view path) {
  return std::any_of(std::begin(kSeen), std::end(kSeen), [path](const Seen& seen) {
    return path == seen.path || absl::StartsWith(path, absl::StrCat(seen.path, "/"));
  });
}

absl::Span<const char* const> AbsentSyscalls() { return kAbsent; }

std::vector<Allowed> AllowedSyscalls(const Profile& profile) {
  std::vector<Allowed> allowed;
  for (const char* const name : kPlain) allowed.push_back({name});
  if (profile.network) {
    for (const char* const name : kNetwork) allowed.push_back({name});
  }
  if (profile.subprocess) {
    for (const char* const name : kSubprocess) allowed.push_back({name});
  }

  // A thread, or a process: in no new namespace, and nobody else's child.
  if (profile.subprocess) {
    allowed.push_back({"clone", {{0, kNewNamespaces | CLONE_PARENT, {0}}}});
  } else {
    allowed.push_back({"clone", {{0, kNewNamespaces | CLONE_PARENT | CLONE_THREAD, {CLONE_THREAD}}}});
  }
  // Of one's own pages: the huge ones are the machine's, and in nobody's group.
  allowed.push_back({"mmap", {{3, MAP_HUGETLB, {0}}}});
  allowed.push_back({"memfd_create", {{1, MFD_HUGETLB, {0}}}});
  // Timers that end the process when nobody hears them: where others' tasks are in it, too, it is theirs as well.
  if (!profile.shared) {
    allowed.push_back({"setitimer"});
    allowed.push_back({"alarm"});
  }
  // A working directory of a thread's own (interpreter/task_folder).
  if (profile.shared) allowed.push_back({"unshare", {{0, kAll32, {CLONE_FS}}}});

  // No leases, no notices, no signals to others.
  allowed.push_back(
      {"fcntl",
       {{1,
         kAll32,
         {F_DUPFD, F_DUPFD_CLOEXEC, F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_GETLK, F_SETLK, F_SETLKW, F_OFD_GETLK,
          F_OFD_SETLK, F_OFD_SETLKW, F_ADD_SEALS, F_GET_SEALS, F_SETPIPE_SZ, F_GETPIPE_SZ}}}});
  // What programs ask of any descriptor. No terminal is driven, no character is typed (TIOCSTI) into one.
  allowed.push_back(
      {"ioctl", {{1, kAll32, {TCGETS, TIOCGWINSZ, TIOCGPGRP, FIONREAD, FIONBIO, FIOCLEX, FIONCLEX, FIOASYNC}}}});
  allowed.push_back(
      {"prctl",
       {{0,
         kAll32,
         {PR_SET_NAME, PR_GET_NAME, PR_GET_DUMPABLE, PR_GET_PDEATHSIG, PR_GET_NO_NEW_PRIVS, PR_SET_NO_NEW_PRIVS,
          PR_GET_SECCOMP, PR_CAPBSET_READ, PR_GET_TIMERSLACK, PR_SET_TIMERSLACK, PR_SET_VMA}}}});
  // Of oneself.
  allowed.push_back({"prlimit64", {{0, kAll32, {0}}}});
  // Threads that only run bytecode share a core (meter/hog_core).
  if (profile.shared) allowed.push_back({"sched_setaffinity", {{0, kAll32, {0}}}});
  allowed.push_back({"personality", {{0, kAll32, {PER_LINUX, 0xffffffff}}}});
  // Files, fifos and sockets, no devices.
  allowed.push_back({"mknod", {{1, S_IFMT, {0, S_IFREG, S_IFIFO, S_IFSOCK}}}});
  allowed.push_back({"mknodat", {{2, S_IFMT, {0, S_IFREG, S_IFIFO, S_IFSOCK}}}});

  allowed.push_back({"socketpair", {{0, kAll32, {AF_UNIX}}}});
  // Without filters (SO_ATTACH_FILTER, BPF), and without handles of processes (SO_PEERPIDFD).
  for (const char* const name : {"getsockopt", "setsockopt"}) {
    allowed.push_back(
        {name,
         {{1, kAll32, {SOL_SOCKET}},
          {2, kAll32, {SO_REUSEADDR,    SO_TYPE,         SO_ERROR,           SO_BROADCAST,    SO_SNDBUF,
                       SO_RCVBUF,       SO_KEEPALIVE,    SO_OOBINLINE,       SO_PRIORITY,     SO_LINGER,
                       SO_REUSEPORT,    SO_PASSCRED,     SO_PEERCRED,        SO_RCVLOWAT,     SO_SNDLOWAT,
                       SO_RCVTIMEO_OLD, SO_SNDTIMEO_OLD, SO_TIMESTAMP_OLD,   SO_ACCEPTCONN,   SO_PROTOCOL,
                       SO_DOMAIN,       SO_RXQ_OVFL,     SO_TIMESTAMPNS_OLD, SO_RCVTIMEO_NEW, SO_SNDTIMEO_NEW,
                       SO_INCOMING_CPU}}}});
    allowed.push_back({name, {{1, kAll32, {IPPROTO_IP, IPPROTO_IPV6, IPPROTO_TCP, IPPROTO_UDP, SOL_NETLINK}}}});
  }
  if (profile.network) {
    // AF_UNIX: within the task's own files (Landlock). AF_NETLINK: routes and addresses, which getaddrinfo sorts by.
    // Without a protocol the type says which: streams are TCP, datagrams UDP, and no others are for anybody.
    constexpr uint64_t kType = kAll32 & ~uint64_t{SOCK_NONBLOCK | SOCK_CLOEXEC};
    allowed.push_back({"socket",
                       {{0, kAll32, {AF_INET, AF_INET6}},
                        {1, kType, {SOCK_STREAM, SOCK_DGRAM}},
                        {2, kAll32, {0, IPPROTO_TCP, IPPROTO_UDP}}}});
    allowed.push_back({"socket", {{0, kAll32, {AF_UNIX}}, {2, kAll32, {0}}}});
    allowed.push_back({"socket", {{0, kAll32, {AF_NETLINK}}, {2, kAll32, {NETLINK_ROUTE}}}});
  }
  return allowed;
}

}  // namespace gild
