#include "server/process/spawn.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "server/base/errors.h"

#if defined(__has_feature)
#define GILD_HAS_FEATURE(x) __has_feature(x)
#else
#define GILD_HAS_FEATURE(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(GILD_THREAD_SANITIZER) || GILD_HAS_FEATURE(address_sanitizer) || \
    GILD_HAS_FEATURE(thread_sanitizer)
#define GILD_SANITIZED 1
#endif

namespace gild {
namespace {

std::vector<char*> Pointers(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

}  // namespace

std::vector<std::string> CleanEnvironment() {
  std::vector<std::string> environment = {
      "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
      "LANG=C.UTF-8",
      "HOME=/nonexistent",
      // An interpreter has one core; a library's own pool of threads would fight over it.
      "OPENBLAS_NUM_THREADS=1",
      "OMP_NUM_THREADS=1",
      "MKL_NUM_THREADS=1",
  };
#ifdef GILD_SANITIZED
  for (const char* name : {"ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS", "TSAN_OPTIONS"}) {
    if (const char* value = std::getenv(name)) environment.push_back(std::string(name) + "=" + value);
  }
#endif
  return environment;
}

std::vector<std::string> OwnEnvironment() {
  std::vector<std::string> environment;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) environment.emplace_back(*entry);
  return environment;
}

absl::StatusOr<SpawnedProcess> Spawn(const std::string& program, std::vector<std::string> arguments,
                                     std::vector<std::string> environment, UniqueFd conversation) {
  const std::vector<char*> argv = Pointers(arguments);
  const std::vector<char*> envp = Pointers(environment);

  // Out of the way of the numbers that are assigned below.
  const UniqueFd source(fcntl(conversation.get(), F_DUPFD_CLOEXEC, kSpawnedConversationFd + 1));
  if (!source.valid()) return ErrnoStatus(errno, "duplicate a descriptor");

  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&files, 2, 1);
  posix_spawn_file_actions_adddup2(&files, source.get(), kSpawnedConversationFd);
  posix_spawn_file_actions_addclosefrom_np(&files, kSpawnedConversationFd + 1);

  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none;
  sigemptyset(&none);
  sigset_t all;
  sigfillset(&all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSID);

  SpawnedProcess spawned;
  const int error = posix_spawn(&spawned.pid, program.c_str(), &files, &attributes, argv.data(), envp.data());
  posix_spawn_file_actions_destroy(&files);
  posix_spawnattr_destroy(&attributes);
  if (error != 0) return ErrnoStatus(error, "start " + program);

  spawned.pidfd = UniqueFd(static_cast<int>(syscall(SYS_pidfd_open, spawned.pid, 0)));
  if (!spawned.pidfd.valid()) {
    const int pidfd_error = errno;
    kill(spawned.pid, SIGKILL);
    waitpid(spawned.pid, nullptr, 0);
    return ErrnoStatus(pidfd_error, "pidfd_open");
  }
  return spawned;
}

std::string InterpreterProgramBesideUs() {
  char path[PATH_MAX];
  const ssize_t bytes = readlink("/proc/self/exe", path, sizeof path);
  const std::string ours(path, bytes > 0 ? bytes : 0);
  return ours.substr(0, ours.rfind('/') + 1) + "gild-interpreter";
}

}  // namespace gild
