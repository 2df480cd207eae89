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
#include "absl/status/statusor.h"

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

// What the scratch looked like when it was new. To mount another costs a millisecond (the kernel waits until nobody can
// be on his way through the old one), and few tasks leave anything there.
class ScratchMark {
 public:
  static absl::StatusOr<ScratchMark> Take();

  // Nothing is in it, or about it, that was not; only times are set back, to now. REQUIRES: nobody is there who could
  // write.
  bool Untouched() const;

 private:
  struct Folder {
    std::string path;
    mode_t mode;
    uid_t uid;
    gid_t gid;
    nlink_t links;

    bool operator==(const Folder&) const = default;
  };

  static absl::StatusOr<Folder> Look(const std::string& path);

  std::vector<Folder> folders_;
  uint64_t free_blocks_ = 0;
  uint64_t free_inodes_ = 0;
};

}  // namespace gild
