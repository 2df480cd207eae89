// Landlock: what a process may do with files, with TCP ports, and to those outside its domain, as the process itself
// gives up the rest (landlock(7)). The second wall behind mount and network namespaces: it holds where one of those is
// missing.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/base/unique_fd.h"
#include "server/sandbox/policy.h"

namespace gild {

// 0: the kernel has none, or it is switched off.
int LandlockAbi();

// Made of files as they are at that moment: of a scratch that is mounted anew they know nothing.
class LandlockRules {
 public:
  // To read `seen` and SeenPaths(), use the devices, write below `scratch`, and nothing else. What an older ABI does
  // not know of stays allowed. It takes two system calls a path, so whoever forks interpreters makes them beforehand.
  static absl::StatusOr<LandlockRules> Make(const Profile& profile, const std::vector<std::string>& seen,
                                            const std::string& scratch);

  // From now on the calling thread and all that it starts may do nothing else. REQUIRES: no_new_privs.
  absl::Status Apply() const;
  int fd() const { return fd_.get(); }

 private:
  explicit LandlockRules(UniqueFd fd) : fd_(std::move(fd)) {}

  UniqueFd fd_;
};

}  // namespace gild
