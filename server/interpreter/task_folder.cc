#include "server/interpreter/task_folder.h"

#include <dirent.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <locale.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <numeric>
#include <optional>
#include <system_error>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "server/base/errors.h"
#include "server/base/unique_fd.h"
#include "server/base/utf8.h"
#include "server/sandbox/policy.h"
#include "server/task/capacity.h"
#include "server/task/file_path.h"

namespace gild {
namespace {

constexpr char kPrefix[] = "task-";
constexpr int kLooksPerQuestion = 256;  // give_up is asked

UniqueFd OpenFolder(int parent, const std::string& name) {
  return UniqueFd(openat(parent, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
}

// All but the last part of a path, and the last.
std::pair<absl::string_view, absl::string_view> SplitLast(absl::string_view path) {
  const size_t slash = path.rfind('/');
  if (slash == absl::string_view::npos) return {"", path};
  return {path.substr(0, slash), path.substr(slash + 1)};
}

// Part by part, so that no part may be a link. `make`: those that are missing.
UniqueFd OpenFolders(int top, absl::string_view path, bool make) {
  UniqueFd folder = OpenFolder(top, ".");
  if (path.empty()) return folder;
  for (const absl::string_view part : absl::StrSplit(path, '/')) {
    const std::string name(part);
    if (!folder.valid() || (make && mkdirat(folder.get(), name.c_str(), 0777) != 0 && errno != EEXIST)) {
      return UniqueFd();
    }
    folder = OpenFolder(folder.get(), name);
  }
  return folder;
}

bool IsOneOfUs(const char* name) {
  const absl::string_view text = name;
  return absl::StartsWith(text, kPrefix) && text.size() > sizeof kPrefix - 1 &&
         text.find_first_not_of("0123456789", sizeof kPrefix - 1) == absl::string_view::npos;
}

// Calls `see` for each entry of the folder but `.` and `..`, until it returns false. False: the folder cannot be read.
template <typename See>
bool ForEachEntry(int folder, const See& see) {
  // A description of its own: reading moves it.
  UniqueFd opened = OpenFolder(folder, ".");
  if (!opened.valid()) return false;
  const std::unique_ptr<DIR, int (*)(DIR*)> entries(fdopendir(opened.get()), closedir);
  if (entries == nullptr) return false;
  (void)opened.release();
  while (const dirent* const entry = readdir(entries.get())) {
    const absl::string_view name = entry->d_name;
    if (name != "." && name != ".." && !see(entry->d_name)) break;
  }
  return true;
}

// ---- placing ----

bool WriteAll(int fd, absl::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = write(fd, bytes.data(), bytes.size());
    if (count < 0 && errno != EINTR) return false;
    if (count > 0) bytes.remove_prefix(count);
  }
  return true;
}

absl::Status Place(int top, const internal::File& file) {
  const auto error = [&file] { return ErrnoStatus(errno, absl::StrCat("place the task's file '", file.path(), "'")); };
  const auto [folders, name] = SplitLast(file.path());
  const UniqueFd folder = OpenFolders(top, folders, /*make=*/true);
  if (!folder.valid()) return error();
  UniqueFd placed(
      openat(folder.get(), std::string(name).c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666));
  if (!placed.valid() || !WriteAll(placed.get(), file.content())) return error();
  // What could not be written may show only now.
  return close(placed.release()) == 0 ? absl::OkStatus() : error();
}

// ---- collecting ----

// Characters, not bytes, whatever the process's own locale is.
class Utf8Locale {
 public:
  Utf8Locale() : before_(uselocale(Utf8())) {}
  ~Utf8Locale() { uselocale(before_); }
  Utf8Locale(const Utf8Locale&) = delete;
  Utf8Locale& operator=(const Utf8Locale&) = delete;

 private:
  static locale_t Utf8() {
    static const locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", locale_t{});
    return utf8;
  }

  const locale_t before_;
};

// So that what is said of it fits beside it.
std::string Quoted(absl::string_view name) {
  constexpr size_t kShown = 256;
  return absl::StrCat("'", name.substr(0, kShown), name.size() > kShown ? "..." : "", "'");
}

const char* KindOf(mode_t mode) {
  if (S_ISLNK(mode)) return "a symbolic link";
  if (S_ISFIFO(mode)) return "a fifo";
  if (S_ISSOCK(mode)) return "a socket";
  return "a device";
}

// Warnings of which there may be many: the first few, and how many more.
class Warnings {
 public:
  void Add(std::string text) {
    if (++count_ >= kWarningsMax) return;
    text.resize(std::min<size_t>(text.size(), kWarningBytesMax));
    texts_.push_back(std::move(text));
  }
  std::vector<std::string> Take() {
    if (count_ >= kWarningsMax)
      texts_.push_back(absl::StrCat("collect: warnings left out: ", count_ - (kWarningsMax - 1)));
    return std::move(texts_);
  }

 private:
  int count_ = 0;
  std::vector<std::string> texts_;
};

class Collector {
 public:
  Collector(int top, const google::protobuf::RepeatedPtrField<std::string>& patterns,
            const std::function<bool()>& give_up)
      : top_(top), give_up_(give_up) {
    for (const std::string& pattern : patterns) patterns_.push_back({pattern, absl::StrSplit(pattern, '/')});
  }

  Collected Collect(uint64_t room) {
    Collected collected;
    if (Find()) {
      for (const Found& file : found_) collected.bytes += file.bytes;
      if (collected.bytes <= room) ReadAll(&collected.files);
    }
    collected.given_up = given_up_;
    if (given_up_) collected.files.Clear();
    collected.warnings = warnings_.Take();
    return collected;
  }

 private:
  struct Pattern {
    std::string text;
    std::vector<std::string> parts;
    bool met = false;
    bool met_folder = false;
  };
  struct Found {
    std::string path;
    uint64_t bytes;
  };
  // A folder to be looked into, and the patterns that lead into it.
  struct Pending {
    std::string path;
    size_t depth = 0;
    std::vector<size_t> patterns;
  };

  bool Find() {
    const Utf8Locale utf8;
    std::vector<size_t> all(patterns_.size());
    std::iota(all.begin(), all.end(), 0);
    pending_.push_back({.patterns = std::move(all)});
    while (!pending_.empty() && !given_up_ && looks_ <= kCollectLooksMax) {
      const Pending folder = std::move(pending_.back());
      pending_.pop_back();
      LookInto(folder);
    }
    if (given_up_) return false;
    if (looks_ > kCollectLooksMax) {
      warnings_.Add(
          absl::StrCat("collect: of more than ", kCollectLooksMax, " files and folders the rest was not looked at"));
    }
    Sort();
    for (const Pattern& pattern : patterns_) {
      if (pattern.met) continue;
      warnings_.Add(absl::StrCat("collect: ", Quoted(pattern.text), " matches no file",
                                 pattern.met_folder ? ", but a folder: say which of its files" : ""));
    }
    return true;
  }

  void LookInto(const Pending& folder) {
    const UniqueFd opened = OpenFolders(top_, folder.path, /*make=*/false);
    const bool read = opened.valid() && ForEachEntry(opened.get(), [&](const char* name) {
                        if (++looks_ > kCollectLooksMax || GivesUp()) return false;
                        LookAt(folder, opened.get(), name);
                        return true;
                      });
    if (!read) LeaveOut(folder.path, errno);
  }

  bool GivesUp() {
    if (looks_ % kLooksPerQuestion == 0) given_up_ = give_up_();
    return given_up_;
  }

  void LookAt(const Pending& folder, int opened, const char* name) {
    Pending deeper{.depth = folder.depth + 1};
    std::vector<size_t> wanted_by;
    for (const size_t index : folder.patterns) {
      const std::vector<std::string>& parts = patterns_[index].parts;
      if (fnmatch(parts[folder.depth].c_str(), name, FNM_PERIOD) != 0) continue;
      (parts.size() == deeper.depth ? wanted_by : deeper.patterns).push_back(index);
    }
    if (wanted_by.empty() && deeper.patterns.empty()) return;
    deeper.path = folder.path.empty() ? name : absl::StrCat(folder.path, "/", name);

    struct stat status;
    if (fstatat(opened, name, &status, AT_SYMLINK_NOFOLLOW) != 0) return;  // gone meanwhile
    const bool is_folder = S_ISDIR(status.st_mode);
    for (const size_t index : wanted_by) (is_folder ? patterns_[index].met_folder : patterns_[index].met) = true;
    if (is_folder ? deeper.patterns.empty() : wanted_by.empty()) return;
    if (!is_folder && !S_ISREG(status.st_mode))
      return LeaveOut(deeper.path, absl::StrCat("is ", KindOf(status.st_mode)));
    const std::string problem = ProblemOfPath(deeper.path);
    if (!problem.empty()) return LeaveOut(deeper.path, absl::StrCat("its name ", problem));
    if (is_folder) return pending_.push_back(std::move(deeper));
    found_.push_back({std::move(deeper.path), static_cast<uint64_t>(status.st_size)});
  }

  void LeaveOut(const std::string& path, const std::string& why) {
    warnings_.Add(absl::StrCat("collect: left out ", Quoted(path), ": ", why));
  }
  void LeaveOut(const std::string& path, int error) { LeaveOut(path, std::generic_category().message(error)); }

  void Sort() {
    std::sort(found_.begin(), found_.end(), [](const Found& a, const Found& b) { return a.path < b.path; });
    if (found_.size() > kCollectedFilesMax) {
      warnings_.Add(absl::StrCat("collect: left out ", found_.size() - kCollectedFilesMax, " files beyond the first ",
                                 kCollectedFilesMax));
      found_.resize(kCollectedFilesMax);
    }
    // What changes while it is looked at may be met twice.
    const auto paths = [this] {
      std::vector<absl::string_view> paths;
      for (const Found& file : found_) paths.push_back(file.path);
      return paths;
    };
    while (const std::optional<PathClash> clash = ClashOf(paths())) found_.erase(found_.begin() + clash->index);
  }

  void ReadAll(google::protobuf::RepeatedPtrField<internal::File>* files) {
    for (Found& found : found_) {
      if (given_up_ || (given_up_ = give_up_())) return;
      internal::File* const file = files->Add();
      if (const int error = Read(found, file->mutable_content()); error != 0) {
        files->RemoveLast();
        LeaveOut(found.path, error);
        continue;
      }
      file->set_path(std::move(found.path));
    }
  }

  // An error number, or 0. A file that has grown since it was found is cut.
  int Read(const Found& found, std::string* content) {
    const auto [folders, name] = SplitLast(found.path);
    const UniqueFd folder = OpenFolders(top_, folders, /*make=*/false);
    if (!folder.valid()) return errno;
    // Not to wait for a fifo that has taken its place.
    const UniqueFd file(
        openat(folder.get(), std::string(name).c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
    struct stat status;
    if (!file.valid() || fstat(file.get(), &status) != 0) return errno;
    if (!S_ISREG(status.st_mode)) return EINVAL;
    content->resize(std::min<uint64_t>(found.bytes, status.st_size));
    size_t filled = 0;
    while (filled < content->size()) {
      const ssize_t count = read(file.get(), content->data() + filled, content->size() - filled);
      if (count < 0 && errno != EINTR) return errno;
      if (count == 0) break;
      if (count > 0) filled += count;
    }
    content->resize(filled);
    return 0;
  }

  const int top_;
  const std::function<bool()>& give_up_;
  std::vector<Pattern> patterns_;
  std::vector<Pending> pending_;
  std::vector<Found> found_;
  Warnings warnings_;
  int looks_ = 0;
  bool given_up_ = false;
};

// ---- removing ----

// As OpenFolder, and its owner may do with it what is needed to empty it.
UniqueFd OpenToEmpty(int parent, const std::string& name) {
  UniqueFd folder = OpenFolder(parent, name);
  if (!folder.valid() && errno == EACCES && fchmodat(parent, name.c_str(), 0700, AT_SYMLINK_NOFOLLOW) == 0) {
    folder = OpenFolder(parent, name);
  }
  if (folder.valid()) fchmod(folder.get(), 0700);
  return folder;
}

// Moves the folder `name` of `from` to `top` under a name that is free there.
bool Hoist(int from, const std::string& name, int top, uint64_t* hoisted) {
  bool opened = false;
  while (true) {
    if (renameat(from, name.c_str(), top, absl::StrCat(++*hoisted).c_str()) == 0) return true;
    if (errno == EEXIST || errno == ENOTEMPTY || errno == ENOTDIR) continue;
    // Its `..` changes, for which it must be writable.
    if (errno != EACCES || std::exchange(opened, true) || !OpenToEmpty(from, name).valid()) return false;
  }
}

// Removes what is in the folder `name` of `top`, and it; but folders in it become folders of `top`. False: nothing was
// done.
bool Dissolve(int top, const std::string& name, uint64_t* hoisted) {
  const UniqueFd folder = OpenToEmpty(top, name);
  if (!folder.valid()) return false;
  bool any = false;
  (void)ForEachEntry(folder.get(), [&](const char* entry) {
    const bool gone =
        unlinkat(folder.get(), entry, 0) == 0 || (errno == EISDIR && Hoist(folder.get(), entry, top, hoisted));
    any |= gone;
    return true;
  });
  return unlinkat(top, name.c_str(), AT_REMOVEDIR) == 0 || any;
}

}  // namespace

bool RemoveAll(int parent, const std::string& name) {
  if (unlinkat(parent, name.c_str(), 0) == 0 || errno == ENOENT) return true;
  const UniqueFd top = OpenToEmpty(parent, name);
  if (!top.valid()) return false;
  // No recursion, and two descriptors whatever the depth: each round takes the uppermost folders apart.
  uint64_t hoisted = 0;
  while (unlinkat(parent, name.c_str(), AT_REMOVEDIR) != 0) {
    bool any = false;
    (void)ForEachEntry(top.get(), [&](const char* entry) {
      any |= unlinkat(top.get(), entry, 0) == 0 || (errno == EISDIR && Dissolve(top.get(), entry, &hoisted));
      return true;
    });
    if (!any) return false;
  }
  return true;
}

// ---- Scratch ----

Scratch Scratch::Here(bool shared) {
  Scratch scratch{.shared = shared};
  const std::unique_ptr<char, void (*)(void*)> path(getcwd(nullptr, 0), free);
  GILD_CHECK(path != nullptr);
  scratch.path = path.get();
  scratch.umask = ::umask(022);
  ::umask(scratch.umask);
  return scratch;
}

void Scratch::RemoveLeftFolders() const {
  const UniqueFd folder = OpenFolder(AT_FDCWD, path);
  if (!folder.valid()) return;
  (void)ForEachEntry(folder.get(), [&folder](const char* name) {
    if (IsOneOfUs(name)) RemoveAll(folder.get(), name);
    return true;
  });
}

void Scratch::Empty() const {
  // A task may have closed them to their owner.
  const auto empty = [](int parent, const char* name, absl::string_view but) {
    (void)fchmodat(parent, name, 0700, 0);
    const UniqueFd folder = OpenFolder(parent, name);
    if (!folder.valid()) return;
    (void)ForEachEntry(folder.get(), [&](const char* entry) {
      if (entry != but) RemoveAll(folder.get(), entry);
      return true;
    });
  };
  empty(AT_FDCWD, path.c_str(), kSharedMemoryFolder);
  const std::string shared_memory = absl::StrCat(path, "/", kSharedMemoryFolder);
  struct stat status;
  // A link in its place must not lead elsewhere.
  if (lstat(shared_memory.c_str(), &status) != 0 || !S_ISDIR(status.st_mode)) return;
  empty(AT_FDCWD, shared_memory.c_str(), "");
}

// ---- TaskFolder ----

TaskFolder::TaskFolder(const Scratch* scratch, uint64_t serial)
    : scratch_(scratch), name_(absl::StrCat(kPrefix, serial)) {}

TaskFolder::~TaskFolder() {
  Leave();
  if (inode_ == 0) return;
  if (const UniqueFd scratch = OpenFolder(AT_FDCWD, scratch_->path); scratch.valid()) RemoveAll(scratch.get(), name_);
}

absl::Status TaskFolder::Enter(const google::protobuf::RepeatedPtrField<internal::File>& files) {
  // Each time: threads that an earlier task left behind share what it had.
  if (scratch_->shared && unshare(CLONE_FS) != 0) {
    return ErrnoStatus(errno, "give the task's thread a working directory of its own (tag CPU needs none)");
  }
  ::umask(scratch_->umask);
  const UniqueFd scratch = OpenFolder(AT_FDCWD, scratch_->path);
  if (!scratch.valid() || mkdirat(scratch.get(), name_.c_str(), 0700) != 0) {
    return ErrnoStatus(errno, "make the task's folder");
  }
  const UniqueFd folder = OpenFolder(scratch.get(), name_);
  struct stat status;
  if (!folder.valid() || fstat(folder.get(), &status) != 0) return ErrnoStatus(errno, "open the task's folder");
  device_ = status.st_dev;
  inode_ = status.st_ino;
  for (const internal::File& file : files) GILD_RETURN_IF_ERROR(Place(folder.get(), file));
  if (fchdir(folder.get()) != 0) return ErrnoStatus(errno, "enter the task's folder");
  inside_ = true;
  return absl::OkStatus();
}

void TaskFolder::Leave() {
  if (!std::exchange(inside_, false)) return;
  // Threads that it leaves behind stay where they are.
  if (scratch_->shared) (void)unshare(CLONE_FS);
  ::umask(scratch_->umask);
  // A task may have removed it: then there is nowhere to go.
  (void)!chdir(scratch_->path.c_str());
}

Collected TaskFolder::Collect(const google::protobuf::RepeatedPtrField<std::string>& patterns, uint64_t room,
                              const std::function<bool()>& give_up) const {
  if (patterns.empty()) return {};
  const UniqueFd scratch = OpenFolder(AT_FDCWD, scratch_->path);
  const UniqueFd folder = scratch.valid() ? OpenFolder(scratch.get(), name_) : UniqueFd();
  struct stat status;
  if (!folder.valid() || fstat(folder.get(), &status) != 0 || status.st_dev != device_ || status.st_ino != inode_) {
    return {.warnings = {"collect: the task has removed, moved or closed its folder"}};
  }
  return Collector(folder.get(), patterns, give_up).Collect(room);
}

}  // namespace gild
