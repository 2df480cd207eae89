// What a task is allowed, as tables: resource limits, what it sees of the machine's files, which system calls.
//
// The child's side (enter.h and what it stands on) applies them; nothing else decides. Memory, processor time and
// output are limited per task (task/capacity.h), not here.
#pragma once

#include <sys/resource.h>
#include <sys/types.h>

#include <array>
#include <compare>
#include <cstdint>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace gild {

// What differs between interpreters.
struct Profile {
  bool network = false;     // it keeps the machine's
  bool shared = false;      // it runs many tasks at once: the I/O lane's
  bool subprocess = false;  // its tasks may start processes

  auto operator<=>(const Profile&) const = default;
};

// ---- resource limits ----

struct ResourceLimit {
  int resource;  // RLIMIT_*
  const char* name;
  uint64_t value;
};

// Soft and hard alike. Memory and CPU time are limited per task (task runner), not here.
inline constexpr std::array kInterpreterLimits = {
    ResourceLimit{RLIMIT_CORE, "core", 0},
    // 1 GiB: a runaway file stops before it fills the disk.
    ResourceLimit{RLIMIT_FSIZE, "fsize", uint64_t{1} << 30},
    // A thousand sockets and files, and some for the interpreter's own.
    ResourceLimit{RLIMIT_NOFILE, "nofile", 4096},
    ResourceLimit{RLIMIT_MEMLOCK, "memlock", 64 << 10},
    ResourceLimit{RLIMIT_MSGQUEUE, "msgqueue", 0},
    ResourceLimit{RLIMIT_RTPRIO, "rtprio", 0},
    ResourceLimit{RLIMIT_SIGPENDING, "sigpending", 1024},
};

// ---- files ----

// Who one is inside: a name of its own, whatever uid the slot has outside.
inline constexpr uid_t kTaskUid = 1000;
inline constexpr char kTaskUser[] = "task";

// The working directory of tasks: a file system of the slot's own, in memory, empty for each interpreter.
inline constexpr char kScratchFolder[] = "/tmp";
// In it: where shared memory by name lies (/dev/shm).
inline constexpr char kSharedMemoryFolder[] = ".shm";

// The only parts of the machine's files that a slot has, read-only, under their own names. Those that are not there are
// left out.
struct Seen {
  const char* path;
  // Who may read it; else it is there but closed (Landlock).
  bool network_only = false;
  bool subprocess_only = false;
};
absl::Span<const Seen> SeenPaths();
// It is one of those, or lies in one.
bool IsSeen(absl::string_view path);

// Devices, by their names in /dev.
inline constexpr std::array kDevices = {"null", "zero", "full", "random", "urandom"};

// ---- system calls ----

// One that is allowed; with `mask`, only where the bits of an argument under the mask are one of the values. (The
// kernel looks at the lower 32 bits of many arguments alone, so a mask never has more where that is so.)
struct Check {
  int argument;  // 0: the first
  uint64_t mask;
  std::vector<uint64_t> values;  // what is left of it under the mask is one of these
};
struct Allowed {
  const char* name;
  std::vector<Check> checks = {};  // all of them
};
std::vector<Allowed> AllowedSyscalls(const Profile& profile);

// Those that libraries try first and do without when the kernel says that it has no such call (ENOSYS). All others are
// refused with EPERM, which libraries report and people understand.
absl::Span<const char* const> AbsentSyscalls();

}  // namespace gild
