#include "server/sandbox/scratch_quota.h"

#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <string>

#include "absl/strings/str_cat.h"
#include "server/sandbox/policy.h"

namespace gild {
namespace {

// Its type, the lowest byte, is none that the kernel has (quotactl(2)): should it hear of the call, it answers EINVAL.
constexpr uint32_t kCommand = 0x67696c64;

// `more` than is `used`, within `most`.
uint64_t Bound(uint64_t used, uint64_t more, uint64_t most) {
  return more == 0 || used >= most ? most : used + std::min(more, most - used);
}

}  // namespace

bool AskScratchQuota(const ScratchBounds& more) {
  return syscall(SYS_quotactl, kCommand, more.bytes, more.inodes, 0) == 0;
}

std::optional<ScratchBounds> ScratchQuotaAsked(const seccomp_data& call) {
  if (call.nr != SYS_quotactl || static_cast<uint32_t>(call.args[0]) != kCommand) return std::nullopt;
  return ScratchBounds{.bytes = call.args[1], .inodes = call.args[2]};
}

int SetScratchQuota(const ScratchBounds& more, const ScratchBounds& slot) {
  struct statfs now;
  if (statfs(kScratchFolder, &now) != 0) return errno;
  const uint64_t used_bytes = (now.f_blocks - now.f_bfree) * static_cast<uint64_t>(now.f_bsize);
  const uint64_t used_inodes = now.f_files - now.f_ffree;
  const std::string options = absl::StrCat("size=", Bound(used_bytes, more.bytes, slot.bytes),
                                           ",nr_inodes=", Bound(used_inodes, more.inodes, slot.inodes));
  const unsigned long flags = MS_REMOUNT | MS_NOSUID | MS_NODEV;
  return mount(nullptr, kScratchFolder, nullptr, flags, options.c_str()) == 0 ? 0 : errno;
}

}  // namespace gild
