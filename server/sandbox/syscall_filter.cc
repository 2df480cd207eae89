#include "server/sandbox/syscall_filter.h"

#include <linux/seccomp.h>
#include <poll.h>
#include <seccomp.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cerrno>
#include <memory>

#include "absl/strings/str_cat.h"
#include "server/base/errors.h"

namespace gild {
namespace {

// libseccomp cannot make "ask the listener" its default, so the default is an error number that no call has, and its
// instruction is replaced (seccomp_unotify(2), SECCOMP_RET_USER_NOTIF).
constexpr uint16_t kRefusedMark = 4000;
// A listener's process that dies is noticed by the asking one (linux/seccomp.h, 5.19).
constexpr unsigned int kWaitKillable = 1U << 5;

using Context = std::unique_ptr<void, void (*)(scmp_filter_ctx)>;

// libseccomp returns -errno.
absl::Status StatusOf(int result, const std::string& what) {
  return result == 0 ? absl::OkStatus() : ErrnoStatus(-result, "system call filter: " + what);
}

// A rule for each combination of values; `so_far`: those of the checks before.
absl::Status AllowWhere(scmp_filter_ctx context, const Allowed& allowed, int number, std::vector<scmp_arg_cmp> so_far) {
  if (so_far.size() == allowed.checks.size()) {
    return StatusOf(seccomp_rule_add_array(context, SCMP_ACT_ALLOW, number, so_far.size(), so_far.data()),
                    allowed.name);
  }
  const Check& check = allowed.checks[so_far.size()];
  for (const uint64_t value : check.values) {
    std::vector<scmp_arg_cmp> rules = so_far;
    rules.push_back({static_cast<unsigned int>(check.argument), SCMP_CMP_MASKED_EQ, check.mask, value});
    GILD_RETURN_IF_ERROR(AllowWhere(context, allowed, number, std::move(rules)));
  }
  return absl::OkStatus();
}

absl::Status Allow(scmp_filter_ctx context, const Allowed& allowed) {
  const int number = seccomp_syscall_resolve_name(allowed.name);
  if (number == __NR_SCMP_ERROR) return absl::InternalError(absl::StrCat("no such system call: ", allowed.name));
  if (number < 0) return absl::OkStatus();  // not on this architecture
  return AllowWhere(context, allowed, number, {});
}

// A newer kernel's calls may have no name in this libseccomp: then they are refused as any other.
absl::Status MakeAbsent(scmp_filter_ctx context, const char* name) {
  const int number = seccomp_syscall_resolve_name(name);
  if (number < 0) return absl::OkStatus();
  return StatusOf(seccomp_rule_add(context, SCMP_ACT_ERRNO(ENOSYS), number, 0), name);
}

absl::StatusOr<std::vector<sock_filter>> Export(scmp_filter_ctx context) {
  const UniqueFd file(memfd_create("filter", MFD_CLOEXEC));
  if (!file.valid()) return ErrnoStatus(errno, "memfd_create");
  GILD_RETURN_IF_ERROR(StatusOf(seccomp_export_bpf(context, file.get()), "export"));
  const off_t bytes = lseek(file.get(), 0, SEEK_END);
  std::vector<sock_filter> program(std::max<off_t>(0, bytes) / sizeof(sock_filter));
  const ssize_t read = pread(file.get(), program.data(), program.size() * sizeof(sock_filter), 0);
  if (program.empty() || read != bytes) return absl::InternalError("system call filter: it cannot be read back");
  return program;
}

// Every return of the mark becomes this.
void Refuse(uint32_t how, std::vector<sock_filter>* program) {
  for (sock_filter& instruction : *program) {
    if (instruction.code == (BPF_RET | BPF_K) && instruction.k == (SECCOMP_RET_ERRNO | kRefusedMark)) {
      instruction.k = how;
    }
  }
}

int Load(const std::vector<sock_filter>& program, unsigned int flags) {
  const sock_fprog filter{.len = static_cast<unsigned short>(program.size()),
                          .filter = const_cast<sock_filter*>(program.data())};
  return static_cast<int>(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &filter));
}

}  // namespace

absl::StatusOr<SyscallFilter> SyscallFilter::Make(const Profile& profile) {
  const Context context(seccomp_init(SCMP_ACT_ERRNO(kRefusedMark)), &seccomp_release);
  if (context == nullptr) return absl::InternalError("system call filter: seccomp_init");
  GILD_RETURN_IF_ERROR(
      StatusOf(seccomp_attr_set(context.get(), SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS), "other architectures"));
  // A binary tree: a call is found in eight steps or so, whatever its number.
  GILD_RETURN_IF_ERROR(StatusOf(seccomp_attr_set(context.get(), SCMP_FLTATR_CTL_OPTIMIZE, 2), "optimize"));
  for (const Allowed& allowed : AllowedSyscalls(profile)) GILD_RETURN_IF_ERROR(Allow(context.get(), allowed));
  for (const char* const name : AbsentSyscalls()) GILD_RETURN_IF_ERROR(MakeAbsent(context.get(), name));

  absl::StatusOr<std::vector<sock_filter>> program = Export(context.get());
  if (!program.ok()) return program.status();
  SyscallFilter filter;
  filter.asking_ = filter.failing_ = *std::move(program);
  Refuse(SECCOMP_RET_USER_NOTIF, &filter.asking_);
  Refuse(SECCOMP_RET_ERRNO | EPERM, &filter.failing_);
  return filter;
}

absl::StatusOr<UniqueFd> SyscallFilter::Install() const {
  UniqueFd listener(Load(asking_, SECCOMP_FILTER_FLAG_NEW_LISTENER | kWaitKillable));
  if (!listener.valid()) listener.reset(Load(asking_, SECCOMP_FILTER_FLAG_NEW_LISTENER));
  if (listener.valid()) return listener;
  if (Load(failing_, 0) != 0) return ErrnoStatus(errno, "install the system call filter");
  return UniqueFd();
}

void SyscallFilters::Prepare(const Profile& profile) {
  auto found = filters_.find(profile);
  if (found == filters_.end()) {
    filters_.emplace(profile, make_(profile));
  } else if (!found->second.ok()) {
    found->second = make_(profile);
  }
}

const absl::StatusOr<SyscallFilter>& SyscallFilters::Of(const Profile& profile) const {
  static const absl::StatusOr<SyscallFilter> none =
      absl::FailedPreconditionError("system call filter: none was made for this kind of slot");
  auto found = filters_.find(profile);
  return found == filters_.end() ? none : found->second;
}

bool DeniedCalls::Answer() {
  pollfd watched{.fd = listener_.get(), .events = POLLIN, .revents = 0};
  if (poll(&watched, 1, 0) < 0) return true;
  if ((watched.revents & POLLIN) == 0) return (watched.revents & (POLLHUP | POLLERR | POLLNVAL)) == 0;
  seccomp_notif call{};
  // The caller may have died meanwhile.
  if (ioctl(listener_.get(), SECCOMP_IOCTL_NOTIF_RECV, &call) != 0) return true;
  seccomp_notif_resp answer{};
  answer.id = call.id;
  const std::optional<int> granted = grant_ ? grant_(call) : std::nullopt;
  answer.error = -granted.value_or(EPERM);
  (void)ioctl(listener_.get(), SECCOMP_IOCTL_NOTIF_SEND, &answer);
  if (granted) return true;

  const std::unique_ptr<char, void (*)(void*)> name(seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, call.data.nr),
                                                    &free);
  // A number may be anything; names are as many as there are.
  std::string key = name != nullptr ? name.get() : "(unknown)";
  if (counts_.size() >= kNamesMax && !counts_.contains(key)) key = "(other)";
  ++counts_[std::move(key)];
  return true;
}

std::map<std::string, uint64_t> DeniedCalls::Take() { return std::exchange(counts_, {}); }

}  // namespace gild
