#include "server/interpreter/process_limits.h"

#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "server/base/clock.h"
#include "server/base/unique_fd.h"
#include "server/interpreter/settings.h"

namespace gild {
namespace {

// The number at `index` in a line of /proc, opened once; empty when it cannot be read (any more: a task may close what
// it likes).
std::optional<int64_t> NumberAt(const UniqueFd& file, int index) {
  char bytes[256];
  const ssize_t count = file.valid() ? pread(file.get(), bytes, sizeof bytes, 0) : -1;
  absl::string_view text(bytes, std::max<ssize_t>(0, count));
  for (int i = 0; i < index; ++i) text.remove_prefix(std::min(text.size(), text.find(' ') + 1));
  int64_t number;
  if (!absl::SimpleAtoi(text.substr(0, text.find_first_of(" \n")), &number)) return std::nullopt;
  return number;
}

// What is made before the walls are closed.
struct OwnThings {
  UniqueFd clear_refs;
  struct stat clear_refs_status;
  std::optional<timer_t> timer;        // SIGKILL when processor time is used up
  std::optional<nlink_t> alone_links;  // of /proc/self/task, which has one more for each thread
};

OwnThings& Own() {
  static OwnThings things{};
  return things;
}

// Of /proc/PID/statm (proc(5)), in bytes.
std::optional<int64_t> MemoryFigure(int index) {
  static const UniqueFd file(open("/proc/self/statm", O_RDONLY | O_CLOEXEC));
  const std::optional<int64_t> pages = NumberAt(file, index);
  if (!pages) return std::nullopt;
  return *pages * sysconf(_SC_PAGESIZE);
}

// Of a file that is kept open: whether its number still leads there. A task may have closed it and opened another.
bool IsStill(const UniqueFd& file, const struct stat& before, struct stat* now) {
  return fstat(file.get(), now) == 0 && now->st_dev == before.st_dev && now->st_ino == before.st_ino;
}

std::optional<nlink_t> TaskLinks() {
  struct stat status;
  if (stat("/proc/self/task", &status) != 0) return std::nullopt;
  return status.st_nlink;
}

// The same, from a descriptor that it keeps: to look for the folder by name each time is five times as dear.
std::optional<nlink_t> TaskLinksNow() {
  struct Folder {
    UniqueFd fd{open("/proc/self/task", O_PATH | O_DIRECTORY | O_CLOEXEC)};
    struct stat status = {};
    Folder() { fstat(fd.get(), &status); }
  };
  static const Folder folder;
  struct stat now;
  return IsStill(folder.fd, folder.status, &now) ? now.st_nlink : TaskLinks();
}

}  // namespace

bool LimitMemory(uint64_t bytes) {
  malloc_trim(0);
  // Data and stack.
  const std::optional<int64_t> has = MemoryFigure(5);
  rlimit limit;
  if (!has || getrlimit(RLIMIT_DATA, &limit) != 0) return false;
  limit.rlim_cur = *has + bytes;
  if (limit.rlim_cur > limit.rlim_max) limit.rlim_cur = limit.rlim_max;
  return setrlimit(RLIMIT_DATA, &limit) == 0;
}

void LiftMemoryLimit() {
  rlimit limit;
  if (getrlimit(RLIMIT_DATA, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_DATA, &limit);
}

void KeepFreedMemory() {
  // Where glibc's own adaptation would end after a few large blocks (mallopt(3), M_MMAP_THRESHOLD).
  mallopt(M_MMAP_THRESHOLD, 32 << 20);
  mallopt(M_TRIM_THRESHOLD, 64 << 20);
}

bool LimitCpu(int64_t cpu_ns) {
  if (!Own().timer) return false;
  itimerspec when{};
  when.it_value = {.tv_sec = cpu_ns / kNsPerSecond, .tv_nsec = cpu_ns % kNsPerSecond};
  return timer_settime(*Own().timer, 0, &when, nullptr) == 0;
}

bool CpuLimitRests() {
  itimerspec left;
  if (!Own().timer) return true;
  return timer_gettime(*Own().timer, &left) == 0 && left.it_value.tv_sec == 0 && left.it_value.tv_nsec == 0;
}

void DisarmTimers() {
  if (!WasSet(Setting::kTimers)) return;
  const itimerval never{};
  for (const __itimer_which timer : {ITIMER_REAL, ITIMER_VIRTUAL, ITIMER_PROF}) setitimer(timer, &never, nullptr);
  (void)WasSet(Setting::kTimers);  // by us
}

void PrepareLimits() {
  OwnThings& own = Own();
  own.clear_refs.reset(open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC));
  if (fstat(own.clear_refs.get(), &own.clear_refs_status) != 0) own.clear_refs.reset();
  sigevent event{};
  event.sigev_notify = SIGEV_SIGNAL;
  event.sigev_signo = SIGKILL;
  timer_t timer;
  if (timer_create(CLOCK_PROCESS_CPUTIME_ID, &event, &timer) == 0) own.timer = timer;
  own.alone_links = TaskLinks();
}

bool AwaitOneThread(int64_t limit_ns) {
  constexpr timespec kPause = {.tv_sec = 0, .tv_nsec = 50 * kNsPerUs};
  const std::optional<nlink_t> alone = Own().alone_links;
  for (int64_t until_ns = 0; alone && TaskLinksNow() != alone;) {
    const int64_t now_ns = NowNs();
    if (until_ns == 0) until_ns = now_ns + limit_ns;
    if (now_ns >= until_ns) return false;
    // One that was joined is there for a moment more.
    syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &kPause, nullptr);
  }
  return true;
}

bool ResetPeakMemory() {
  const OwnThings& own = Own();
  struct stat now;
  if (!IsStill(own.clear_refs, own.clear_refs_status, &now)) return false;
  // proc(5): writing 5 resets the peak resident set size.
  return write(own.clear_refs.get(), "5", 1) == 1;
}

std::optional<int64_t> PeakMemoryBytes() {
  rusage usage;
  if (getrusage(RUSAGE_SELF, &usage) != 0) return std::nullopt;
  return int64_t{usage.ru_maxrss} * 1024;
}

int64_t ChildrenPeakMemoryBytes() {
  rusage usage;
  return getrusage(RUSAGE_CHILDREN, &usage) == 0 ? int64_t{usage.ru_maxrss} * 1024 : 0;
}

std::optional<int64_t> ResidentMemoryBytes() { return MemoryFigure(1); }

int64_t ProcessCpuNs() {
  rusage children;
  const bool known = getrusage(RUSAGE_CHILDREN, &children) == 0;
  return ClockNs(CLOCK_PROCESS_CPUTIME_ID) + (known ? Ns(children.ru_utime) + Ns(children.ru_stime) : 0);
}

bool HasLivingChildren() {
  siginfo_t ended{};
  while (waitid(P_ALL, 0, &ended, WEXITED | WNOHANG) == 0) {
    if (ended.si_pid == 0) return true;
    ended = {};
  }
  return false;
}

bool EndChildrenOfThread() {
  const UniqueFd file(open("/proc/thread-self/children", O_RDONLY | O_CLOEXEC));
  std::string text;
  char bytes[4096];
  ssize_t count;
  while (file.valid() && (count = read(file.get(), bytes, sizeof bytes)) > 0) text.append(bytes, count);
  bool any = false;
  for (const absl::string_view word : absl::StrSplit(text, ' ', absl::SkipEmpty())) {
    pid_t child;
    if (!absl::SimpleAtoi(word, &child)) continue;
    // One that has ended by itself is only to be waited for.
    any |= waitpid(child, nullptr, WNOHANG) == 0;
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
  }
  return any;
}

int64_t ThreadCpuNs() { return ClockNs(CLOCK_THREAD_CPUTIME_ID); }

std::optional<int64_t> ThreadCpuWaitNs() {
  thread_local const UniqueFd file(open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC));
  return NumberAt(file, 1);
}

}  // namespace gild
