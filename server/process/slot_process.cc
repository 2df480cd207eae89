#include "server/process/slot_process.h"

#include <string.h>
#include <sys/wait.h>

#include "absl/strings/str_cat.h"

namespace gild {

std::string DescribeWaitStatus(int wait_status) {
  if (WIFEXITED(wait_status)) return absl::StrCat("exited with code ", WEXITSTATUS(wait_status));
  if (!WIFSIGNALED(wait_status)) return absl::StrCat("ended with wait status ", wait_status);
  const char* const name = sigabbrev_np(WTERMSIG(wait_status));
  return absl::StrCat("killed by signal ", WTERMSIG(wait_status), name ? absl::StrCat(" (SIG", name, ")") : "");
}

}  // namespace gild
