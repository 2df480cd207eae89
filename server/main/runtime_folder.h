// RuntimeFolder: a folder of the server's own, in which lanes make one for each slot; removed at the end.
// Main thread.
#pragma once

#include <string>

#include "absl/status/status.h"

namespace gild {

class RuntimeFolder {
 public:
  RuntimeFolder() = default;
  ~RuntimeFolder();
  RuntimeFolder(const RuntimeFolder&) = delete;
  RuntimeFolder& operator=(const RuntimeFolder&) = delete;

  // Beneath TMPDIR, or /tmp.
  absl::Status Make();
  // Empty before Make.
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace gild
