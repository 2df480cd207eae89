#include "client/cli/out_folder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "client/cli/terminal.h"

namespace gild::cli {
namespace {

bool IsSound(const std::vector<std::string>& parts) {
  for (const std::string& part : parts) {
    if (part.empty() || part == "." || part == ".." || part.find('\0') != std::string::npos) return false;
  }
  return true;
}

// The folder `name` of `parent`, which is made where it is missing; -1 and errno.
int OpenOrMake(int parent, const std::string& name) {
  if (mkdirat(parent, name.c_str(), 0777) != 0 && errno != EEXIST) return -1;
  return openat(parent, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

// Whole, or not at all: under another name first.
bool WriteFile(int folder, const std::string& name, const std::string& content) {
  const std::string temporary = absl::StrCat(".gild-", getpid());
  unlinkat(folder, temporary.c_str(), 0);  // of one that was killed
  const int file = openat(folder, temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
  if (file < 0) return false;
  bool written = WriteAll(file, content);
  int error = errno;
  if (close(file) != 0 && written) {
    written = false;
    error = errno;
  }
  if (written && renameat(folder, temporary.c_str(), folder, name.c_str()) == 0) return true;
  if (written) error = errno;
  unlinkat(folder, temporary.c_str(), 0);
  errno = error;
  return false;
}

}  // namespace

OutFolder::~OutFolder() {
  if (folder_ >= 0) close(folder_);
}

std::string OutFolder::Open(const std::string& path) {
  // The user's own word, so links in it are followed.
  if (mkdir(path.c_str(), 0777) != 0 && errno != EEXIST) return strerror(errno);
  folder_ = open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder_ < 0 || faccessat(folder_, ".", W_OK | X_OK, AT_EACCESS) != 0) return strerror(errno);
  return "";
}

std::string OutFolder::Write(const std::string& name, const std::string& content) {
  std::vector<std::string> parts = absl::StrSplit(name, '/');
  if (!IsSound(parts)) return "not a name within the folder";
  const std::string last = std::move(parts.back());
  parts.pop_back();
  int folder = OpenOrMake(folder_, ".");
  for (const std::string& part : parts) {
    if (folder < 0) break;
    const int parent = std::exchange(folder, OpenOrMake(folder, part));
    const int error = errno;
    close(parent);
    errno = error;
  }
  if (folder < 0) return strerror(errno);
  const bool written = WriteFile(folder, last, content);
  const int error = errno;
  close(folder);
  return written ? "" : strerror(error);
}

}  // namespace gild::cli
