#include "server/main/runtime_folder.h"

#include <stdlib.h>
#include <sys/stat.h>

#include <cerrno>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "server/base/errors.h"
#include "server/base/log.h"

namespace gild {

RuntimeFolder::~RuntimeFolder() {
  if (path_.empty()) return;
  std::error_code error;
  std::filesystem::remove_all(path_, error);
  if (error) LogWarning("cannot remove the runtime folder", {{"path", path_}, {"error", error.message()}});
}

absl::Status RuntimeFolder::Make() {
  const char* const parent = getenv("TMPDIR");
  std::string path = absl::StrCat(parent != nullptr && *parent != '\0' ? parent : "/tmp", "/gild-XXXXXX");
  // Slots that are other users go through it, each to the one that is its own.
  if (mkdtemp(path.data()) == nullptr || chmod(path.c_str(), 0711) != 0) {
    return ErrnoStatus(errno, "make the runtime folder " + path);
  }
  path_ = path;
  return absl::OkStatus();
}

}  // namespace gild
