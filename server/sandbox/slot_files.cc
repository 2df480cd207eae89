#include "server/sandbox/slot_files.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "server/base/errors.h"
#include "server/base/files.h"
#include "server/base/unique_fd.h"
#include "server/sandbox/policy.h"

namespace gild {
namespace {

// Where the root is built. Any folder will do: what is mounted on it is seen here alone.
constexpr char kBuilding[] = "/tmp";
constexpr char kOldRoot[] = ".old";
constexpr uint64_t kReadOnly = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;

struct Link {
  const char* name;
  const char* target;
};
constexpr Link kLinks[] = {
    // As in Debian's merged /usr.
    {"bin", "usr/bin"},
    {"lib", "usr/lib"},
    {"lib32", "usr/lib32"},
    {"lib64", "usr/lib64"},
    {"sbin", "usr/sbin"},
    {"dev/fd", "/proc/self/fd"},
    {"dev/stdin", "/proc/self/fd/0"},
    {"dev/stdout", "/proc/self/fd/1"},
    {"dev/stderr", "/proc/self/fd/2"},
    // Shared memory and semaphores by name (shm_open(3), sem_open(3)) lie in the scratch, and go with it.
    {"dev/shm", "/tmp/.shm"},
};

absl::Status Errno(const std::string& what) { return ErrnoStatus(errno, what); }

// All folders on the way; the last part too, where `folder` says so, else as an empty file.
absl::Status MakePath(const std::string& path, bool folder) {
  std::string made;
  const std::vector<std::string> parts = absl::StrSplit(path, '/', absl::SkipEmpty());
  for (size_t i = 0; i < parts.size(); ++i) {
    absl::StrAppend(&made, made.empty() ? "" : "/", parts[i]);
    if (folder || i + 1 < parts.size()) {
      if (mkdir(made.c_str(), 0755) != 0 && errno != EEXIST) return Errno("make " + made);
    } else if (!UniqueFd(open(made.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0444)).valid()) {
      return Errno("make " + made);
    }
  }
  return absl::OkStatus();
}

absl::Status MakeFile(const std::string& path, const std::string& text) {
  GILD_RETURN_IF_ERROR(MakePath(path, /*folder=*/false));
  return WriteFile(path, text);
}

// A part of the machine's files on its way into the root.
struct Part {
  std::string path;
  bool folder;
  UniqueFd tree;
};

// What is not there is left out.
absl::Status Take(const std::string& path, uint64_t attributes, std::vector<Part>* parts) {
  // Not the link but what it leads to, under the link's name.
  struct stat status;
  if (stat(path.c_str(), &status) != 0) return absl::OkStatus();
  UniqueFd tree(open_tree(AT_FDCWD, path.c_str(), OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE));
  if (!tree.valid()) return Errno("copy the mount of " + path);
  mount_attr attribute{.attr_set = attributes, .attr_clr = 0, .propagation = MS_PRIVATE, .userns_fd = 0};
  if (mount_setattr(tree.get(), "", AT_EMPTY_PATH | AT_RECURSIVE, &attribute, sizeof attribute) != 0) {
    return Errno("make read-only " + path);
  }
  parts->push_back({path, S_ISDIR(status.st_mode), std::move(tree)});
  return absl::OkStatus();
}

absl::StatusOr<std::vector<Part>> TakeAll(const std::vector<std::string>& seen) {
  std::vector<Part> parts;
  for (const Seen& path : SeenPaths()) GILD_RETURN_IF_ERROR(Take(path.path, kReadOnly, &parts));
  for (const std::string& path : seen) {
    // /usr/lib is there where /usr/lib/python3 is to be.
    if (!IsSeen(path)) GILD_RETURN_IF_ERROR(Take(path, kReadOnly, &parts));
  }
  for (const char* const device : kDevices) {
    GILD_RETURN_IF_ERROR(Take(absl::StrCat("/dev/", device), MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, &parts));
  }
  return parts;
}

absl::Status Place(const Part& part) {
  // The same name beneath the root that is being built, and so a relative one here.
  const std::string inside = part.path.substr(1);
  GILD_RETURN_IF_ERROR(MakePath(inside, part.folder));
  if (move_mount(part.tree.get(), "", AT_FDCWD, inside.c_str(), MOVE_MOUNT_F_EMPTY_PATH) != 0) {
    return Errno("bind " + part.path);
  }
  return absl::OkStatus();
}

absl::Status MakeOwnFiles() {
  GILD_RETURN_IF_ERROR(MakeFile("etc/passwd", absl::StrCat(kTaskUser, ":x:", kTaskUid, ":", kTaskUid,
                                                           "::", kScratchFolder, ":/usr/sbin/nologin\n")));
  GILD_RETURN_IF_ERROR(MakeFile("etc/group", absl::StrCat(kTaskUser, ":x:", kTaskUid, ":\n")));
  GILD_RETURN_IF_ERROR(MakePath(kScratchFolder + 1, /*folder=*/true));
  for (const Link& link : kLinks) {
    if (symlink(link.target, link.name) != 0) return Errno(absl::StrCat("link ", link.name));
  }
  return absl::OkStatus();
}

absl::Status MountProc() {
  GILD_RETURN_IF_ERROR(MakePath("proc", /*folder=*/true));
  // Only processes (5.8), and of those only what one could trace: the init stays unseen.
  if (mount("proc", "proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, "subset=pid,hidepid=invisible") != 0) {
    return Errno("mount /proc");
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status EnterOwnRoot(const std::vector<std::string>& seen) {
  if (mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return Errno("make mounts private");
  // Before the root covers anything.
  const absl::StatusOr<std::vector<Part>> parts = TakeAll(seen);
  if (!parts.ok()) return parts.status();
  if (mount("gild", kBuilding, "tmpfs", MS_NOSUID | MS_NODEV, "size=1m,nr_inodes=1024,mode=755") != 0) {
    return Errno("mount a root");
  }
  if (chdir(kBuilding) != 0) return Errno("enter the root");
  for (const Part& part : *parts) GILD_RETURN_IF_ERROR(Place(part));
  GILD_RETURN_IF_ERROR(MakeOwnFiles());
  GILD_RETURN_IF_ERROR(MountProc());

  if (mkdir(kOldRoot, 0700) != 0) return Errno("make a place for the old root");
  if (syscall(SYS_pivot_root, ".", kOldRoot) != 0) return Errno("pivot_root");
  if (chdir("/") != 0) return Errno("enter /");
  if (umount2(kOldRoot, MNT_DETACH) != 0 || rmdir(kOldRoot) != 0) return Errno("leave the old root");
  if (mount(nullptr, "/", nullptr, MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV, nullptr) != 0) {
    return Errno("make the root read-only");
  }
  return absl::OkStatus();
}

absl::Status RenewScratch(const ScratchBounds& bounds, uid_t owner) {
  if (chdir("/") != 0) return Errno("enter /");
  // The first time there is none; and what was mounted before the user namespace was entered stays, beneath the new
  // one.
  if (umount2(kScratchFolder, MNT_DETACH) != 0 && errno != EINVAL) return Errno("unmount the scratch");
  const std::string options =
      absl::StrCat("mode=700,uid=", owner, ",gid=", owner, ",size=", bounds.bytes, ",nr_inodes=", bounds.inodes);
  if (mount("scratch", kScratchFolder, "tmpfs", MS_NOSUID | MS_NODEV, options.c_str()) != 0) {
    return Errno("mount a scratch");
  }
  const std::string shm = absl::StrCat(kScratchFolder, "/", kSharedMemoryFolder);
  if (mkdir(shm.c_str(), 0700) != 0) return Errno("make " + shm);
  if (owner != geteuid() && chown(shm.c_str(), owner, owner) != 0) return Errno("give away " + shm);
  // A mount of its own: no task can rename or remove it.
  if (mount(shm.c_str(), shm.c_str(), nullptr, MS_BIND, nullptr) != 0) return Errno("bind " + shm);
  return absl::OkStatus();
}

absl::StatusOr<ScratchMark> ScratchMark::Take() {
  ScratchMark mark;
  for (const std::string& path :
       {std::string(kScratchFolder), absl::StrCat(kScratchFolder, "/", kSharedMemoryFolder)}) {
    absl::StatusOr<Folder> folder = Look(path);
    if (!folder.ok()) return folder.status();
    mark.folders_.push_back(*std::move(folder));
  }
  struct statfs file_system;
  if (statfs(kScratchFolder, &file_system) != 0) return Errno("look at the scratch");
  mark.free_blocks_ = file_system.f_bfree;
  mark.free_inodes_ = file_system.f_ffree;
  return mark;
}

bool ScratchMark::Untouched() const {
  const absl::StatusOr<ScratchMark> now = Take();
  if (!now.ok() || now->folders_ != folders_) return false;
  // Every name has an inode; what has none any more, and lives on in a file that is open, has one too.
  if (now->free_blocks_ != free_blocks_ || now->free_inodes_ != free_inodes_) return false;
  for (const Folder& folder : folders_) {
    if (llistxattr(folder.path.c_str(), nullptr, 0) != 0) return false;
    if (utimensat(AT_FDCWD, folder.path.c_str(), nullptr, AT_SYMLINK_NOFOLLOW) != 0) return false;
  }
  return true;
}

absl::StatusOr<ScratchMark::Folder> ScratchMark::Look(const std::string& path) {
  struct stat status;
  if (lstat(path.c_str(), &status) != 0) return Errno("look at " + path);
  return Folder{path, status.st_mode, status.st_uid, status.st_gid, status.st_nlink};
}

}  // namespace gild
