// TaskFolder: an empty folder of a task's own, its working directory: with the files that it was given, and what is
// collected from it at its end. For tasks that have files, or collect some.
//
//   TaskFolder folder(&scratch, serial);
//   absl::Status placed = folder.Enter(start.files());  // an error: it must not run
//   ... its code runs ...
//   folder.Leave();
//   Collected collected = folder.Collect(start.collect(), room, give_up);
//
// What lies in it is the task's doing. So it is touched only here, in the interpreter's process, with the rights that
// the task had itself; no symbolic link is followed, nothing but a regular file is opened, and everything has a bound.
// No descriptor is kept while the task runs, which may close what it likes: the folder is found again by its name and
// known by its inode.
//
// Thread rule: one thread, without the lock. Where other threads share the process's working directory, this one gets
// its own, and its own umask; threads that it starts share them.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "gild/internal/frames.pb.h"

namespace gild {

// Where a slot's tasks work.
struct Scratch {
  std::string path;  // absolute
  mode_t umask = 022;
  bool shared = false;  // by other threads

  // The working directory and the umask as they are. REQUIRES: one thread.
  static Scratch Here(bool shared);

  // Folders of tasks whose interpreter was killed. REQUIRES: no task runs here.
  void RemoveLeftFolders() const;
  // Everything, but for the folder of shared memory itself. REQUIRES: likewise, and that nothing else is kept here.
  void Empty() const;
};

struct Collected {
  uint64_t bytes = 0;  // of all that was found
  google::protobuf::RepeatedPtrField<internal::File>
      files;                          // by path; none when `bytes` is more than there is room for
  std::vector<std::string> warnings;  // kWarningsMax at most, kWarningBytesMax each
  bool given_up = false;              // before all was looked at or read; `files` is empty
};

class TaskFolder {
 public:
  // `scratch` outlives it.
  TaskFolder(const Scratch* scratch, uint64_t serial);
  // Leaves it, if need be, and removes it with all that is in it.
  ~TaskFolder();
  TaskFolder(const TaskFolder&) = delete;
  TaskFolder& operator=(const TaskFolder&) = delete;

  // Makes it, places the files, goes there. Their names are sound (server/task/file_path.h).
  absl::Status Enter(const google::protobuf::RepeatedPtrField<internal::File>& files);
  // The working directory is the scratch folder again, and the umask is its own.
  void Leave();
  // Regular files whose names match a pattern, each part by fnmatch(3). `give_up` is asked now and then.
  Collected Collect(const google::protobuf::RepeatedPtrField<std::string>& patterns, uint64_t room,
                    const std::function<bool()>& give_up) const;

 private:
  const Scratch* const scratch_;
  const std::string name_;
  bool inside_ = false;
  dev_t device_ = 0;  // of the folder that was made
  ino_t inode_ = 0;   // 0: none was
};

// Removes what is called so in the folder `parent`, whatever it is. Of any depth and width; no link is followed,
// folders that were closed to their owner are opened. False: something could not be removed.
bool RemoveAll(int parent, const std::string& name);

}  // namespace gild
