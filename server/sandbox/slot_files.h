// SlotFiles: what a slot sees of files. A root of its own in memory, read-only, with what Python needs of the machine's
// bound into it (policy.h), a /proc of its own processes, five devices, and the scratch.
//
// Single-threaded, in the slot's init. REQUIRES: mount and pid namespaces of its own, and the right to mount in them.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"

namespace gild {

// Builds the root and moves into it: afterwards the machine's files have no name here. `seen`: absolute paths beside
// SeenPaths(); what is not there is left out. An error names the step.
absl::Status EnterOwnRoot(const std::vector<std::string>& seen);

struct ScratchBounds {
  uint64_t bytes = 64 << 20;
  uint64_t inodes = 16384;
};

// An empty kScratchFolder of that user's. A file system of its own, so that however much lies in the old one, it is
// gone at once, or with the last process that has a file of it open. REQUIRES: EnterOwnRoot.
absl::Status RenewScratch(const ScratchBounds& bounds, uid_t owner);

}  // namespace gild
