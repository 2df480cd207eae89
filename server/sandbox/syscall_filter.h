// SyscallFilter: the system calls of policy.h as a program that the kernel runs at each call (seccomp(2)).
//
// Made once, in the zygote, since it takes milliseconds; installed in each interpreter, for good. A refused call fails
// with EPERM: where a listener can be had, the slot's init is asked, counts it by name and answers so (DeniedCalls);
// a call under another architecture's numbers ends the process.
//
//   SyscallFilters filters;
//   filters.Prepare(profile);
//   absl::StatusOr<UniqueFd> listener = filters.Of(profile)->Install();   // in the interpreter; the last step
#pragma once

#include <linux/filter.h>
#include <linux/seccomp.h>

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/base/unique_fd.h"
#include "server/sandbox/policy.h"

namespace gild {

class SyscallFilter {
 public:
  static absl::StatusOr<SyscallFilter> Make(const Profile& profile);

  // For this process, its only thread, and all that they start. REQUIRES: no_new_privs. What comes back is for the
  // init; whoever has it decides what becomes of refused calls, so it must be closed before user code runs. Invalid
  // where the kernel has no listeners, or one is installed already: refused calls then fail uncounted.
  absl::StatusOr<UniqueFd> Install() const;

 private:
  // The same program; a refused call asks the listener in the one, and fails in the other.
  std::vector<sock_filter> asking_;
  std::vector<sock_filter> failing_;
};

// One for each profile that is asked for.
class SyscallFilters {
 public:
  using Maker = std::function<absl::StatusOr<SyscallFilter>(const Profile& profile)>;

  explicit SyscallFilters(Maker make = &SyscallFilter::Make) : make_(std::move(make)) {}

  // What could not be made is tried again.
  void Prepare(const Profile& profile);
  // Why it cannot be had, where that is so. Valid until it is prepared again.
  const absl::StatusOr<SyscallFilter>& Of(const Profile& profile) const;

 private:
  const Maker make_;
  std::map<Profile, absl::StatusOr<SyscallFilter>> filters_;
};

// The init's end of one interpreter's refused calls: answers each with EPERM and counts it, unless it is a request that
// it grants. One thread.
class DeniedCalls {
 public:
  // Beyond so many names they are counted together, as "(other)".
  static constexpr size_t kNamesMax = 64;

  // What becomes of a call: 0 or an errno, or (empty) it is refused.
  using Grant = std::function<std::optional<int>(const seccomp_notif& call)>;

  explicit DeniedCalls(UniqueFd listener, Grant grant = nullptr)
      : listener_(std::move(listener)), grant_(std::move(grant)) {}

  // Readable when a call waits; at its end of file when no process with the filter is left. -1: none.
  int fd() const { return listener_.get(); }
  // Answers one that waits. False: nobody is left who could ask.
  bool Answer();
  // What was counted since the last Take.
  std::map<std::string, uint64_t> Take();

 private:
  UniqueFd listener_;
  Grant grant_;
  std::map<std::string, uint64_t> counts_;
};

}  // namespace gild
