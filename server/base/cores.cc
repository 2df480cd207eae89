#include "server/base/cores.h"

#include <sched.h>
#include <unistd.h>

#include <map>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "server/base/clock.h"
#include "server/base/errors.h"
#include "server/base/files.h"

namespace gild {

std::vector<int> AllowedCores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  GILD_CHECK(sched_getaffinity(0, sizeof set, &set) == 0);
  std::vector<int> cores;
  for (int core = 0; core < CPU_SETSIZE; ++core) {
    if (CPU_ISSET(core, &set)) cores.push_back(core);
  }
  return cores;
}

std::vector<CoreTimes> ParseCoreTimes(absl::string_view proc_stat, const std::vector<int>& cores,
                                      int64_t ticks_per_second) {
  std::map<int, CoreTimes> found;
  for (const absl::string_view line : absl::StrSplit(proc_stat, '\n')) {
    // The cores come first; what follows is long.
    if (!absl::StartsWith(line, "cpu")) break;
    const std::vector<absl::string_view> words = absl::StrSplit(line, ' ', absl::SkipEmpty());
    // cpuN user nice system idle iowait irq softirq steal …
    int core = -1;
    if (words.size() < 9 || !absl::SimpleAtoi(words[0].substr(3), &core)) continue;
    int64_t ns[9] = {};
    for (int i = 1; i < 9; ++i) {
      int64_t ticks = 0;
      if (absl::SimpleAtoi(words[i], &ticks)) ns[i] = ticks * (kNsPerSecond / ticks_per_second);
    }
    found[core] = {.core = core,
                   .user_ns = ns[1] + ns[2],
                   .system_ns = ns[3] + ns[6] + ns[7],
                   .idle_ns = ns[4] + ns[5],
                   .steal_ns = ns[8]};
  }
  std::vector<CoreTimes> times;
  for (const int core : cores) {
    if (const auto of_core = found.find(core); of_core != found.end()) times.push_back(of_core->second);
  }
  return times;
}

absl::StatusOr<std::vector<CoreTimes>> ReadCoreTimes(const std::vector<int>& cores, const std::string& path) {
  const absl::StatusOr<std::string> text = ReadFile(path);
  if (!text.ok()) return text.status();
  return ParseCoreTimes(*text, cores, sysconf(_SC_CLK_TCK));
}

}  // namespace gild
