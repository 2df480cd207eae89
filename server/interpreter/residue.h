// Residue: what a task leaves in a process that runs one task after another, beside threads and processes
// (process_limits.h). What can be put back is: working directory, umask, files of the scratch, locale, floating-point
// environment, the process's name, timer slack (and environment.h). With anything else the process is not fit for
// another task.
//
// One thread, at any time between two tasks, without the lock. The kernel is asked each time how many descriptors and
// files there are, and for the mask; for the rest only when somebody has set it since (settings.h): to ask for all
// would cost more than a small task. So what is set past libc, by a system call's number, stays until its process is
// replaced.
//
//   Residue residue(&scratch, options);      // before the first task
//   … a task …
//   residue.Look(peak_memory_bytes, &ended);
#pragma once

#include <signal.h>

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "gild/internal/frames.pb.h"
#include "server/base/unique_fd.h"
#include "server/interpreter/process_settings.h"
#include "server/interpreter/settings.h"
#include "server/interpreter/task_folder.h"

namespace gild {

// Whether a bounded file system has nothing left.
struct Fullness {
  bool bytes = false;
  bool files = false;
};
// Of the file system that the path is on.
Fullness FullnessOf(const char* path);
// A task that ended by itself has met the end of its scratch, whatever it made of that.
void EndIfFull(const Fullness& full, internal::TaskEnded* ended);

class Residue {
 public:
  struct Options {
    bool own_scratch = false;      // the file system of the scratch is this process's alone
    int64_t growth_bytes_max = 0;  // of resident memory, for good; 0: any
  };

  // Of the scratch.
  struct Room {
    uint64_t free_files;
    uint64_t blocks;

    bool operator==(const Room&) const = default;
  };

  // `scratch` outlives it.
  Residue(const Scratch* scratch, Options options);

  // Adds to the frame what it found. `peak_bytes`: of the task's resident memory, as far as it is known.
  void Look(std::optional<int64_t> peak_bytes, internal::TaskEnded* ended);

 private:
  void PutBack() const;
  bool SignalsChanged() const;
  bool DescriptorsChanged() const;
  bool LimitsChanged() const;
  bool FilesLeft(internal::TaskEnded* ended) const;
  bool HasGrown(std::optional<int64_t> peak_bytes) const;

  const Scratch* const scratch_;
  const Options options_;
  // How it was.
  std::array<char, 16> name_{};
  std::string locale_;
  const ProcessSettings settings_;
  sigset_t mask_{};
  stack_t signal_stack_{};
  int64_t descriptors_ = 0;
  std::array<ino_t, kFirstDescriptors> lead_to_{};  // those of the first of them
  UniqueFd own_descriptors_;                        // the folder /proc/self/fd
  UniqueFd scratch_folder_;
  std::optional<Room> room_;
  int64_t resident_bytes_ = 0;
};

}  // namespace gild
