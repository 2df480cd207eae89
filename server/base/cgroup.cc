#include "server/base/cgroup.h"

#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>

#include "server/base/clock.h"
#include "server/base/errors.h"
#include "server/base/unique_fd.h"

namespace gild {
namespace {

// A process that was reaped may be in its group for a moment more.
constexpr timespec kPause = {.tv_sec = 0, .tv_nsec = 2 * kNsPerMs};
constexpr int kRemoveTries = 100;

}  // namespace

absl::Status JoinCgroup(const std::string& folder) {
  const std::string path = folder + "/cgroup.procs";
  const UniqueFd file(open(path.c_str(), O_WRONLY | O_CLOEXEC));
  // "0" is whoever writes it, in any pid namespace.
  if (!file.valid() || write(file.get(), "0", 1) != 1) return ErrnoStatus(errno, "join " + path);
  return absl::OkStatus();
}

bool RemoveCgroup(const std::string& folder) {
  for (int i = 0; i < kRemoveTries; ++i) {
    if (rmdir(folder.c_str()) == 0 || errno == ENOENT) return true;
    if (errno != EBUSY) return false;
    nanosleep(&kPause, nullptr);
  }
  return false;
}

}  // namespace gild
