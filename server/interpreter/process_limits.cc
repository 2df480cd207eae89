#include "server/interpreter/process_limits.h"

#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>

#include "absl/strings/numbers.h"
#include "absl/strings/string_view.h"
#include "server/base/clock.h"
#include "server/base/unique_fd.h"

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

struct ClearRefs {
  UniqueFd fd;
  struct stat status;
};

ClearRefs& TheClearRefs() {
  static ClearRefs file{};
  return file;
}

}  // namespace

bool LimitMemory(uint64_t bytes) {
  malloc_trim(0);
  // statm(5): the sixth figure is data and stack, in pages.
  static const UniqueFd file(open("/proc/self/statm", O_RDONLY | O_CLOEXEC));
  const std::optional<int64_t> pages = NumberAt(file, 5);
  rlimit limit;
  if (!pages || getrlimit(RLIMIT_DATA, &limit) != 0) return false;
  limit.rlim_cur = *pages * sysconf(_SC_PAGESIZE) + bytes;
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
  static timer_t timer;
  static const bool made = [] {
    sigevent event{};
    event.sigev_notify = SIGEV_SIGNAL;
    event.sigev_signo = SIGKILL;
    return timer_create(CLOCK_PROCESS_CPUTIME_ID, &event, &timer) == 0;
  }();
  if (!made) return false;
  itimerspec when{};
  when.it_value = {.tv_sec = cpu_ns / kNsPerSecond, .tv_nsec = cpu_ns % kNsPerSecond};
  return timer_settime(timer, 0, &when, nullptr) == 0;
}

void DisarmTimers() {
  const itimerval never{};
  for (const __itimer_which timer : {ITIMER_REAL, ITIMER_VIRTUAL, ITIMER_PROF}) setitimer(timer, &never, nullptr);
}

void PreparePeakMemory() {
  ClearRefs& file = TheClearRefs();
  file.fd.reset(open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC));
  if (fstat(file.fd.get(), &file.status) != 0) file.fd.reset();
}

bool ResetPeakMemory() {
  // A number that a task has closed and opened anew must not be written to.
  const ClearRefs& file = TheClearRefs();
  struct stat now;
  if (fstat(file.fd.get(), &now) != 0 || now.st_dev != file.status.st_dev || now.st_ino != file.status.st_ino) {
    return false;
  }
  // proc(5): writing 5 resets the peak resident set size.
  return write(file.fd.get(), "5", 1) == 1;
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

int64_t ThreadCpuNs() { return ClockNs(CLOCK_THREAD_CPUTIME_ID); }

std::optional<int64_t> ThreadCpuWaitNs() {
  thread_local const UniqueFd file(open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC));
  return NumberAt(file, 1);
}

}  // namespace gild
