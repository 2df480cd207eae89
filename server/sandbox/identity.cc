#include "server/sandbox/identity.h"

#include <cap-ng.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "absl/strings/str_cat.h"
#include "server/base/errors.h"
#include "server/base/unique_fd.h"
#include "server/sandbox/policy.h"

namespace gild {
namespace {

absl::Status WriteProc(const std::string& path, const std::string& text) {
  const UniqueFd file(open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!file.valid() || write(file.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
    return ErrnoStatus(errno, "write " + path);
  }
  return absl::OkStatus();
}

// user_namespaces(7): a process may map itself, once, when it gives up setgroups.
absl::Status MapOneUser(int namespaces, uid_t inside) {
  const uid_t uid = geteuid();
  const gid_t gid = getegid();
  // The maps belong to root unless we are dumpable.
  if (prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) != 0) return ErrnoStatus(errno, "set dumpable");
  if (unshare(namespaces) != 0) return ErrnoStatus(errno, "unshare users");
  GILD_RETURN_IF_ERROR(WriteProc("/proc/self/setgroups", "deny"));
  GILD_RETURN_IF_ERROR(WriteProc("/proc/self/uid_map", absl::StrCat(inside, " ", uid, " 1")));
  return WriteProc("/proc/self/gid_map", absl::StrCat(inside, " ", gid, " 1"));
}

constexpr int kZygotesNamespaces = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID;

}  // namespace

absl::Status TakeUid(uid_t uid) {
  GILD_CHECK(uid != 0);
  if (setgroups(0, nullptr) != 0) return ErrnoStatus(errno, "drop groups");
  if (setresgid(uid, uid, uid) != 0) return ErrnoStatus(errno, "take the gid");
  if (setresuid(uid, uid, uid) != 0) return ErrnoStatus(errno, "take the uid");
  return absl::OkStatus();
}

absl::Status EnterUserNamespace() { return MapOneUser(CLONE_NEWUSER | CLONE_NEWNS, kTaskUid); }

void GoOnAsRootOfOwnNamespace(int conversation) {
  // Tried first where a failure changes nothing.
  const pid_t trial = fork();
  if (trial == 0) _exit(MapOneUser(kZygotesNamespaces, 0).ok() ? 0 : 1);
  int status = 0;
  if (trial < 0 || waitpid(trial, &status, 0) != trial || status != 0) return;
  if (!MapOneUser(kZygotesNamespaces, 0).ok()) return;
  const pid_t child = fork();
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    return;
  }
  close(conversation);
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
}

absl::Status DropBoundingSet() {
  // Beyond the kernel's last one, reading fails.
  for (int capability = 0, has; (has = prctl(PR_CAPBSET_READ, capability, 0, 0, 0)) >= 0; ++capability) {
    if (has != 0 && prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0) {
      return ErrnoStatus(errno, "empty the bounding set of capabilities");
    }
  }
  return absl::OkStatus();
}

absl::Status DropCapabilities() {
  capng_clear(CAPNG_SELECT_ALL);
  if (capng_apply(CAPNG_SELECT_CAPS) != 0 || capng_apply(CAPNG_SELECT_AMBIENT) != 0) {
    return absl::InternalError("drop capabilities");
  }
  return absl::OkStatus();
}

}  // namespace gild
