// Starting gild-interpreter from a process that has threads: everything is prepared beforehand, the rest is
// posix_spawn(3), which shares the parent's memory until the exec and so costs the same however large the server is.
//
// Any thread. The caller owns what comes back, and reaps it.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/base/unique_fd.h"

namespace gild {

struct SpawnedProcess {
  pid_t pid = 0;
  UniqueFd pidfd;
};

inline constexpr int kSpawnedConversationFd = 3;

// The child has /dev/null as 0, our stderr as 1 and 2, `conversation` as 3 and nothing else open; a session of its own,
// so that a ^C meant for the server does not reach it; no blocked signal; no environment but this.
absl::StatusOr<SpawnedProcess> Spawn(const std::string& program, std::vector<std::string> arguments,
                                     std::vector<std::string> environment, UniqueFd conversation);

// "NAME=value": clean, whatever the server was started with; and the server's own.
std::vector<std::string> CleanEnvironment();
std::vector<std::string> OwnEnvironment();

// The gild-interpreter that lies beside the running program.
std::string InterpreterProgramBesideUs();

}  // namespace gild
