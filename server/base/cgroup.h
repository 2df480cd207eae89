// Control groups as files: what more than one folder needs of them. Any thread.
#pragma once

#include <string>

#include "absl/status/status.h"

namespace gild {

// Moves the calling process, with all its threads, into the group; what it forks from now on is born there.
absl::Status JoinCgroup(const std::string& folder);

}  // namespace gild
