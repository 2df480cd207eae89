#include "server/sandbox/landlock.h"

#include <fcntl.h>
#include <linux/landlock.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/base/errors.h"
#include "server/base/unique_fd.h"

namespace gild {
namespace {

// The package's header ends at ABI 2. The rest is the kernel's (include/uapi/linux/landlock.h), with the ABI it came
// in.
constexpr uint64_t kTruncate = 1 << 14;          // 3
constexpr uint64_t kIoctlDevice = 1 << 15;       // 5
constexpr uint64_t kBindTcp = 1 << 0;            // 4
constexpr uint64_t kConnectTcp = 1 << 1;         // 4
constexpr uint64_t kScopeAbstractUnix = 1 << 0;  // 6
constexpr uint64_t kScopeSignal = 1 << 1;        // 6

struct RulesetAttributes {
  uint64_t handled_access_fs = 0;
  uint64_t handled_access_net = 0;
  uint64_t scoped = 0;
};

constexpr uint64_t kReadFile = LANDLOCK_ACCESS_FS_READ_FILE;
constexpr uint64_t kRead = kReadFile | LANDLOCK_ACCESS_FS_READ_DIR;
constexpr uint64_t kOnFiles =
    LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE | kReadFile | kTruncate | kIoctlDevice;
// No devices are made, and none but those in /dev are driven.
constexpr uint64_t kChange = kRead | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |
                             LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_DIR |
                             LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO |
                             LANDLOCK_ACCESS_FS_MAKE_SYM | LANDLOCK_ACCESS_FS_REFER | kTruncate;

uint64_t HandledFiles(int abi) {
  uint64_t handled = (uint64_t{LANDLOCK_ACCESS_FS_MAKE_SYM} << 1) - 1;
  if (abi >= 2) handled |= LANDLOCK_ACCESS_FS_REFER;
  if (abi >= 3) handled |= kTruncate;
  if (abi >= 5) handled |= kIoctlDevice;
  return handled;
}

size_t BytesOfAttributes(int abi) {
  if (abi >= 6) return sizeof(RulesetAttributes);
  return (abi >= 4 ? 2 : 1) * sizeof(uint64_t);
}

class Ruleset {
 public:
  Ruleset(int abi, const Profile& profile) {
    attributes_.handled_access_fs = HandledFiles(abi);
    if (abi >= 4 && !profile.network) attributes_.handled_access_net = kBindTcp | kConnectTcp;
    if (abi >= 6) attributes_.scoped = kScopeAbstractUnix | kScopeSignal;
    fd_.reset(
        static_cast<int>(syscall(SYS_landlock_create_ruleset, &attributes_, BytesOfAttributes(abi), uint32_t{0})));
  }

  bool made() const { return fd_.valid(); }

  // What is not there needs no rule.
  absl::Status Let(const std::string& path, uint64_t access) {
    const UniqueFd file(open(path.c_str(), O_PATH | O_CLOEXEC));
    if (!file.valid()) return absl::OkStatus();
    struct stat status;
    if (fstat(file.get(), &status) != 0) return ErrnoStatus(errno, absl::StrCat("landlock: look at ", path));
    if (!S_ISDIR(status.st_mode)) access &= kOnFiles;
    landlock_path_beneath_attr rule{.allowed_access = access & attributes_.handled_access_fs, .parent_fd = file.get()};
    if (syscall(SYS_landlock_add_rule, fd_.get(), LANDLOCK_RULE_PATH_BENEATH, &rule, 0) != 0) {
      return ErrnoStatus(errno, absl::StrCat("landlock: let it use ", path));
    }
    return absl::OkStatus();
  }

  UniqueFd Take() && { return std::move(fd_); }

 private:
  RulesetAttributes attributes_;
  UniqueFd fd_;
};

}  // namespace

int LandlockAbi() {
  const long abi = syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
  return abi < 0 ? 0 : static_cast<int>(abi);
}

absl::StatusOr<LandlockRules> LandlockRules::Make(const Profile& profile, const std::vector<std::string>& seen,
                                                  const std::string& scratch) {
  const int abi = LandlockAbi();
  if (abi == 0) return absl::UnimplementedError("this kernel has no Landlock");
  Ruleset rules(abi, profile);
  if (!rules.made()) return ErrnoStatus(errno, "landlock: make a set of rules");

  const uint64_t execute = profile.subprocess ? uint64_t{LANDLOCK_ACCESS_FS_EXECUTE} : 0;
  for (const Seen& path : SeenPaths()) {
    const bool closed = (path.network_only && !profile.network) || (path.subprocess_only && !profile.subprocess);
    if (!closed) GILD_RETURN_IF_ERROR(rules.Let(path.path, kRead | execute));
  }
  for (const std::string& path : seen) {
    // What the table names, the table opens.
    if (!IsSeen(path)) GILD_RETURN_IF_ERROR(rules.Let(path, kRead | execute));
  }
  for (const char* const path : {"/etc/passwd", "/etc/group", "/proc"}) {
    GILD_RETURN_IF_ERROR(rules.Let(path, kRead));
  }
  for (const char* const device : kDevices) {
    GILD_RETURN_IF_ERROR(rules.Let(absl::StrCat("/dev/", device), kReadFile | LANDLOCK_ACCESS_FS_WRITE_FILE));
  }
  GILD_RETURN_IF_ERROR(rules.Let(scratch, kChange | execute));
  return LandlockRules(std::move(rules).Take());
}

absl::Status LandlockRules::Apply() const {
  if (syscall(SYS_landlock_restrict_self, fd_.get(), 0) != 0) return ErrnoStatus(errno, "landlock: restrict");
  return absl::OkStatus();
}

}  // namespace gild
