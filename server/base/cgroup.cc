#include "server/base/cgroup.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "server/base/errors.h"
#include "server/base/unique_fd.h"

namespace gild {

absl::Status JoinCgroup(const std::string& folder) {
  const std::string path = folder + "/cgroup.procs";
  const UniqueFd file(open(path.c_str(), O_WRONLY | O_CLOEXEC));
  // "0" is whoever writes it, in any pid namespace.
  if (!file.valid() || write(file.get(), "0", 1) != 1) return ErrnoStatus(errno, "join " + path);
  return absl::OkStatus();
}

}  // namespace gild
