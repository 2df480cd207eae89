// Control groups as files: what more than one folder needs of them. Any thread.
#pragma once

#include <string>

#include "absl/status/status.h"

namespace gild {

// Moves the calling process, with all its threads, into the group; what it forks from now on is born there.
absl::Status JoinCgroup(const std::string& folder);

// True: it is gone. Waits a moment, 200 ms at most, for processes that were just reaped to leave it.
bool RemoveCgroup(const std::string& folder);

}  // namespace gild
