// What an interpreter is allowed, as data. The server's side reads it for GetInfo, the child's side (enter.h) applies it.
//
// For now: resource limits, no_new_privs, closed descriptors, a clean environment and, where the kernel lets us, a pid
// namespace per slot. Users, mounts, networks, seccomp, Landlock and cgroups have their place here later.
#pragma once

#include <sys/resource.h>

#include <array>
#include <cstdint>

namespace gild {

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
};

}  // namespace gild
