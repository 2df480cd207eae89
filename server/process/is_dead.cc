#include "server/process/is_dead.h"

#include <signal.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <system_error>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "server/base/files.h"

namespace gild {
namespace {

// It has ended, or is on its way there, or takes SIGKILL next: proc(5). `folder`: /proc/PID/task/TID.
bool IsOver(const std::string& folder) {
  constexpr uint64_t kExiting = 4;  // PF_EXITING, of the kernel's include/linux/sched.h
  constexpr size_t kState = 0, kFlags = 6;
  const absl::StatusOr<std::string> stat = ReadFile(folder + "/stat");
  if (!stat.ok() || stat->empty()) return true;
  // tid (name) state …, where a name may be anything.
  const size_t name_end = stat->rfind(") ");
  if (name_end == std::string::npos) return false;
  const std::vector<std::string> fields = absl::StrSplit(stat->substr(name_end + 2), ' ');
  uint64_t flags;
  if (fields.size() <= kFlags || !absl::SimpleAtoi(fields[kFlags], &flags)) return false;
  if (fields[kState] == "Z" || fields[kState] == "X" || (flags & kExiting) != 0) return true;
  const absl::StatusOr<std::string> status = ReadFile(folder + "/status");
  if (!status.ok()) return true;
  uint64_t pending;
  return absl::SimpleHexAtoi(ValueOf(*status, "SigPnd"), &pending) && (pending >> (SIGKILL - 1) & 1) != 0;
}

}  // namespace

bool IsDead(int pid) {
  std::error_code error;
  std::filesystem::directory_iterator thread(absl::StrCat("/proc/", pid, "/task"), error);
  for (; !error && thread != std::filesystem::directory_iterator(); thread.increment(error)) {
    if (!IsOver(thread->path())) return false;
  }
  return true;  // also where it is no process any more
}

}  // namespace gild
