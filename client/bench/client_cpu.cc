#include "client/bench/client_cpu.h"

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "absl/strings/numbers.h"

namespace gild::bench {

ThreadTimes ReadThreadTimes() {
  ThreadTimes times;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/task", error)) {
    int thread = 0;
    int64_t ran_ns = 0;
    std::ifstream schedstat(entry.path() / "schedstat");  // a thread that has just ended has none
    if (absl::SimpleAtoi(entry.path().filename().string(), &thread) && schedstat >> ran_ns) times[thread] = ran_ns;
  }
  return times;
}

ClientCpu CpuBetween(const ThreadTimes& before, const ThreadTimes& after) {
  ClientCpu cpu;
  for (const auto& [thread, ran_ns] : after) {
    const auto found = before.find(thread);
    const int64_t used_ns = ran_ns - (found == before.end() ? 0 : found->second);
    cpu.all_ns += used_ns;
    cpu.busiest_ns = std::max(cpu.busiest_ns, used_ns);
  }
  return cpu;
}

}  // namespace gild::bench
