#include "server/base/cores.h"

#include <sched.h>
#include <unistd.h>

#include <fstream>
#include <sstream>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "server/base/clock.h"
#include "server/base/errors.h"

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
  std::vector<CoreTimes> times;
  const std::vector<absl::string_view> lines = absl::StrSplit(proc_stat, '\n');
  for (const int wanted : cores) {
    for (const absl::string_view line : lines) {
      const std::vector<absl::string_view> words = absl::StrSplit(line, ' ', absl::SkipEmpty());
      // cpuN user nice system idle iowait irq softirq steal …
      int core = -1;
      absl::string_view name = words.empty() ? absl::string_view() : words[0];
      if (words.size() < 9 || !absl::ConsumePrefix(&name, "cpu") || !absl::SimpleAtoi(name, &core) || core != wanted) {
        continue;
      }
      int64_t ns[9] = {};
      for (int i = 1; i < 9; ++i) {
        int64_t ticks = 0;
        if (absl::SimpleAtoi(words[i], &ticks)) ns[i] = ticks * (kNsPerSecond / ticks_per_second);
      }
      times.push_back({.core = core,
                       .user_ns = ns[1] + ns[2],
                       .system_ns = ns[3] + ns[6] + ns[7],
                       .idle_ns = ns[4] + ns[5],
                       .steal_ns = ns[8]});
    }
  }
  return times;
}

absl::StatusOr<std::vector<CoreTimes>> ReadCoreTimes(const std::vector<int>& cores) {
  std::ifstream file("/proc/stat");
  std::stringstream text;
  text << file.rdbuf();
  if (!file) return absl::UnavailableError("cannot read /proc/stat");
  return ParseCoreTimes(text.str(), cores, sysconf(_SC_CLK_TCK));
}

}  // namespace gild
