#include "server/process/orphans.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "server/base/clock.h"
#include "server/base/unique_fd.h"

namespace gild {
namespace {

constexpr timespec kPause = {.tv_sec = 0, .tv_nsec = 2 * kNsPerMs};

// proc(5): pid (name) state parent …; the name may contain anything.
pid_t ParentOf(const std::string& pid) {
  const UniqueFd file(open(("/proc/" + pid + "/stat").c_str(), O_RDONLY | O_CLOEXEC));
  char bytes[512];
  const ssize_t count = file.valid() ? read(file.get(), bytes, sizeof bytes) : -1;
  if (count <= 0) return 0;
  const std::string stat(bytes, count);
  const size_t name_end = stat.rfind(')');
  if (name_end == std::string::npos) return 0;
  const std::vector<std::string> words = absl::StrSplit(stat.substr(name_end + 1), ' ', absl::SkipEmpty());
  int parent;
  return words.size() >= 2 && absl::SimpleAtoi(words[1], &parent) ? parent : 0;
}

std::vector<pid_t> Children() {
  std::vector<pid_t> children;
  const std::unique_ptr<DIR, int (*)(DIR*)> proc(opendir("/proc"), closedir);
  if (!proc) return children;
  while (const dirent* entry = readdir(proc.get())) {
    int pid;
    if (absl::SimpleAtoi(entry->d_name, &pid) && ParentOf(entry->d_name) == getpid()) children.push_back(pid);
  }
  return children;
}

}  // namespace

void ReapOrphans(pid_t ours) {
  while (true) {
    siginfo_t info{};
    if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == 0) return;
    // Its owner is about to reap it; those behind it come next time.
    if (info.si_pid == ours) return;
    if (waitpid(info.si_pid, nullptr, WNOHANG) <= 0) return;
  }
}

void KillOrphans(pid_t ours) {
  for (const pid_t child : Children()) {
    // A child's number is not given away before it is reaped, which is done here.
    if (child != ours) kill(child, SIGKILL);
  }
  ReapOrphans(ours);
}

bool AwaitNoChildren(int64_t limit_ns) {
  const int64_t kill_at_ns = NowNs() + limit_ns;
  const int64_t give_up_at_ns = kill_at_ns + limit_ns;
  while (true) {
    const pid_t reaped = waitpid(-1, nullptr, WNOHANG);
    if (reaped > 0) continue;
    if (reaped < 0 && errno == ECHILD) return true;
    const int64_t now_ns = NowNs();
    if (now_ns >= give_up_at_ns) return false;
    if (now_ns >= kill_at_ns) KillOrphans(0);
    // No call waits for any child with a limit, and SIGCHLD is not ours to use in a process with many threads.
    nanosleep(&kPause, nullptr);
  }
}

}  // namespace gild
