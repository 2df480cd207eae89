#include "server/sandbox/file_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "server/base/unique_fd.h"
#include "server/sandbox/policy.h"

namespace gild {
namespace {

// Of a thread, whether or not it is its process's first (PIDFD_THREAD, Linux 6.9).
constexpr unsigned kThread = O_EXCL;

}  // namespace

std::optional<int> LockOwnFile(const seccomp_notif& call) {
  if (call.data.nr != SYS_flock) return std::nullopt;
  UniqueFd caller(static_cast<int>(syscall(SYS_pidfd_open, call.pid, kThread)));
  if (!caller.valid()) caller.reset(static_cast<int>(syscall(SYS_pidfd_open, call.pid, 0)));
  if (!caller.valid()) return std::nullopt;
  const UniqueFd file(static_cast<int>(syscall(SYS_pidfd_getfd, caller.get(), static_cast<int>(call.data.args[0]), 0)));
  if (!file.valid()) return errno == EBADF ? std::optional(EBADF) : std::nullopt;
  struct stat asked, scratch;
  if (fstat(file.get(), &asked) != 0 || stat(kScratchFolder, &scratch) != 0) return std::nullopt;
  if (asked.st_dev != scratch.st_dev) return std::nullopt;
  return flock(file.get(), static_cast<int>(call.data.args[1]) | LOCK_NB) == 0 ? 0 : errno;
}

}  // namespace gild
