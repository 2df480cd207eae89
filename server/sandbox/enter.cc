#include "server/sandbox/enter.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <vector>

#include "server/base/errors.h"
#include "server/sandbox/policy.h"

namespace gild {
namespace {

absl::Status CloseAllBut(std::vector<int> keep) {
  std::sort(keep.begin(), keep.end());
  unsigned int first = 3;
  for (const int fd : keep) {
    if (static_cast<unsigned int>(fd) > first && syscall(SYS_close_range, first, fd - 1, 0) != 0) {
      return ErrnoStatus(errno, "close descriptors");
    }
    first = std::max(first, static_cast<unsigned int>(fd) + 1);
  }
  if (syscall(SYS_close_range, first, ~0U, 0) != 0) return ErrnoStatus(errno, "close descriptors");
  return absl::OkStatus();
}

// A pid namespace does not bound a process group: kill(0, …) in a task would reach zygote and inits. Not a session of its
// own, which the scheduler may weigh as a whole (sched(7), autogroups) and so make nothing of our nice values.
absl::Status OwnProcessGroup() {
  return setpgid(0, 0) == 0 ? absl::OkStatus() : ErrnoStatus(errno, "make a process group");
}

absl::Status StandardDescriptorsToNull() {
  const UniqueFd null(open("/dev/null", O_RDWR | O_CLOEXEC));
  if (!null.valid()) return ErrnoStatus(errno, "open /dev/null");
  for (const int fd : {0, 1, 2}) {
    if (dup2(null.get(), fd) < 0) return ErrnoStatus(errno, "dup2 /dev/null");
  }
  return absl::OkStatus();
}

}  // namespace

NewPidNamespace::NewPidNamespace() : own_(open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC)) {
  entered_ = own_.valid() && unshare(CLONE_NEWPID) == 0;
}

NewPidNamespace::~NewPidNamespace() {
  // A process may unshare again only from its own namespace.
  if (entered_) GILD_CHECK(setns(own_.get(), CLONE_NEWPID) == 0);
}

absl::Status EnterSlotInit() {
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return ErrnoStatus(errno, "set no_new_privs");
  if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) return ErrnoStatus(errno, "clear dumpable");
  if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0) return ErrnoStatus(errno, "become subreaper");
  if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0) return ErrnoStatus(errno, "set parent death signal");
  return OwnProcessGroup();
}

absl::Status EnterInterpreter(const InterpreterPlace& place, std::initializer_list<int> keep) {
  if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0) return ErrnoStatus(errno, "set parent death signal");
  // Debuggers and profilers may look at user code; its init stays closed to them.
  if (prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) != 0) return ErrnoStatus(errno, "set dumpable");
  GILD_RETURN_IF_ERROR(OwnProcessGroup());
  GILD_RETURN_IF_ERROR(StandardDescriptorsToNull());
  GILD_RETURN_IF_ERROR(CloseAllBut(std::vector<int>(keep)));
  if (chdir(place.scratch.c_str()) != 0) return ErrnoStatus(errno, "enter " + place.scratch);
  if (place.core >= 0) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(place.core, &set);
    if (sched_setaffinity(0, sizeof set, &set) != 0) return ErrnoStatus(errno, "pin to a core");
  }
  if (place.nice != 0 && setpriority(PRIO_PROCESS, 0, place.nice) != 0) return ErrnoStatus(errno, "set nice");
  for (const ResourceLimit& limit : kInterpreterLimits) {
    rlimit value;
    if (getrlimit(static_cast<__rlimit_resource_t>(limit.resource), &value) != 0) {
      return ErrnoStatus(errno, std::string("read limit ") + limit.name);
    }
    // Never above what we were given: raising would need a privilege.
    value.rlim_cur = value.rlim_max = std::min<rlim_t>(value.rlim_max, limit.value);
    if (setrlimit(static_cast<__rlimit_resource_t>(limit.resource), &value) != 0) {
      return ErrnoStatus(errno, std::string("set limit ") + limit.name);
    }
  }
  return absl::OkStatus();
}

void KillAllAndReap(bool own_pid_namespace) {
  while (true) {
    if (own_pid_namespace) {
      kill(-1, SIGKILL);
    } else {
      // Orphans have landed on us, the subreaper, so our children are all there is.
      std::ifstream children("/proc/thread-self/children");
      pid_t child;
      while (children >> child) kill(child, SIGKILL);
    }
    const pid_t reaped = waitpid(-1, nullptr, 0);
    if (reaped < 0 && errno == ECHILD) return;
  }
}

}  // namespace gild
