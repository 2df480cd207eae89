// Landlock: what a process may do with files, with TCP ports, and to those outside its domain, as the process itself
// gives up the rest (landlock(7)). The second wall behind mount and network namespaces: it holds where one of those is
// missing.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "server/sandbox/policy.h"

namespace gild {

// 0: the kernel has none, or it is switched off.
int LandlockAbi();

// For the calling thread and all that it starts: it may read `seen` and SeenPaths(), use the devices, write below
// `scratch`, and nothing else. REQUIRES: no_new_privs. What an older ABI does not know of stays allowed.
absl::Status RestrictByLandlock(const Profile& profile, const std::vector<std::string>& seen,
                                const std::string& scratch);

}  // namespace gild
