// The cores this process may use, and how busy each has been.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace gild {

// Ascending; from sched_getaffinity.
std::vector<int> AllowedCores();

// Since boot, from /proc/stat (proc(5)); user includes nice, system includes interrupts, idle includes iowait.
struct CoreTimes {
  int core = 0;
  int64_t user_ns = 0;
  int64_t system_ns = 0;
  int64_t idle_ns = 0;
  int64_t steal_ns = 0;
};

// Of the given cores, in their order. Cores the kernel does not list are left out.
absl::StatusOr<std::vector<CoreTimes>> ReadCoreTimes(const std::vector<int>& cores,
                                                     const std::string& path = "/proc/stat");
// The parsing alone; `ticks_per_second` as sysconf(_SC_CLK_TCK).
std::vector<CoreTimes> ParseCoreTimes(absl::string_view proc_stat, const std::vector<int>& cores,
                                      int64_t ticks_per_second);

}  // namespace gild
