#include "server/sandbox/file_lock.h"

#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "server/base/files.h"
#include "server/base/unique_fd.h"
#include "server/sandbox/policy.h"

namespace gild {
namespace {

// Of the process that this thread is one of. (PIDFD_THREAD would do, from Linux 6.9 on.)
pid_t ProcessOf(pid_t thread) {
  const absl::StatusOr<std::string> status = ReadFile(absl::StrCat("/proc/", thread, "/status"));
  pid_t process;
  return status.ok() && absl::SimpleAtoi(ValueOf(*status, "Tgid"), &process) ? process : thread;
}

// A file or folder in the scratch. Whatever else it is, another's close of it may wait.
bool IsOwn(const struct stat& file) {
  struct stat scratch;
  return (S_ISREG(file.st_mode) || S_ISDIR(file.st_mode)) && stat(kScratchFolder, &scratch) == 0 &&
         file.st_dev == scratch.st_dev;
}

}  // namespace

std::optional<int> LockOwnFile(const seccomp_notif& call) {
  if (call.data.nr != SYS_flock) return std::nullopt;
  const int number = static_cast<int>(call.data.args[0]);
  const pid_t process = ProcessOf(static_cast<pid_t>(call.pid));
  struct stat asked;
  // By name first: to have a descriptor of it is to close it, too.
  if (stat(absl::StrCat("/proc/", process, "/fd/", number).c_str(), &asked) != 0) {
    return errno == ENOENT ? std::optional(EBADF) : std::nullopt;
  }
  if (!IsOwn(asked)) return std::nullopt;
  const UniqueFd caller(static_cast<int>(syscall(SYS_pidfd_open, process, 0)));
  if (!caller.valid()) return std::nullopt;
  const UniqueFd file(static_cast<int>(syscall(SYS_pidfd_getfd, caller.get(), number, 0)));
  if (!file.valid() || fstat(file.get(), &asked) != 0 || !IsOwn(asked)) return std::nullopt;
  return flock(file.get(), static_cast<int>(call.data.args[1]) | LOCK_NB) == 0 ? 0 : errno;
}

}  // namespace gild
