#include "server/base/core_split.h"

#include <algorithm>

#include "server/base/clock.h"

namespace gild {
namespace {

// Two of /proc/stat's ticks.
constexpr int64_t kOwedNsMax = 20 * kNsPerMs;

int64_t Growth(int64_t before, int64_t now) { return std::max<int64_t>(0, now - before); }

OwnTime Growth(const OwnTime& before, const OwnTime& now) {
  return {.io_ns = Growth(before.io_ns, now.io_ns),
          .cpu_ns = Growth(before.cpu_ns, now.cpu_ns),
          .server_ns = Growth(before.server_ns, now.server_ns)};
}

int64_t Sum(const OwnTime& own) { return own.io_ns + own.cpu_ns + own.server_ns; }

int64_t Part(int64_t whole_ns, double share) { return static_cast<int64_t>(static_cast<double>(whole_ns) * share); }

}  // namespace

CoreSplitter::CoreSplitter(std::vector<int> cores) {
  for (const int core : cores) cores_.push_back({.number = core, .split = {.core = core}});
}

void CoreSplitter::Add(const Reading& reading) {
  struct Step {
    Core* core;
    OwnTime own;
    int64_t unknown_ns;
  };
  std::vector<Step> steps;
  int64_t unknown_ns = 0;
  for (Core& core : cores_) {
    const auto times = std::find_if(reading.cores.begin(), reading.cores.end(),
                                    [&core](const CoreTimes& each) { return each.core == core.number; });
    if (times == reading.cores.end()) {
      core.times.reset();
      continue;
    }
    core.seen = true;
    const auto found = reading.own.find(core.number);
    const OwnTime own = found == reading.own.end() ? OwnTime{} : found->second;
    if (core.times) {
      const OwnTime used = Growth(core.own, own);
      const int64_t idle_ns = Growth(core.times->idle_ns, times->idle_ns);
      const int64_t steal_ns = Growth(core.times->steal_ns, times->steal_ns);
      const int64_t passed_ns = Growth(core.at_ns, reading.now_ns);
      core.room_ns += passed_ns;
      core.idle_owed_ns += idle_ns;
      core.steal_owed_ns += steal_ns;
      steps.push_back({&core, used, std::max<int64_t>(0, passed_ns - Sum(used) - idle_ns - steal_ns)});
      unknown_ns += steps.back().unknown_ns;
    }
    core.times = *times;
    core.own = own;
    core.at_ns = std::max(core.at_ns, reading.now_ns);  // two threads may have looked at the clock, and come in turns
  }
  const OwnTime anywhere = anywhere_ ? Growth(*anywhere_, reading.anywhere) : OwnTime{};
  anywhere_ = reading.anywhere;
  for (Step& step : steps) {
    const double share = unknown_ns > 0 ? static_cast<double>(step.unknown_ns) / static_cast<double>(unknown_ns)
                                        : 1.0 / static_cast<double>(steps.size());
    step.own.io_ns += Part(anywhere.io_ns, share);
    step.own.cpu_ns += Part(anywhere.cpu_ns, share);
    step.own.server_ns += Part(anywhere.server_ns, share);
    Settle(step.own, step.core);
  }
}

void CoreSplitter::Settle(const OwnTime& own, Core* core) {
  CoreSplit& split = core->split;
  split.io_ns += own.io_ns;
  split.cpu_ns += own.cpu_ns;
  split.server_ns += own.server_ns;
  core->room_ns -= Sum(own);
  const int64_t left_ns = std::max<int64_t>(0, core->room_ns);
  core->room_ns -= left_ns;

  const int64_t steal_ns = std::min(core->steal_owed_ns, left_ns);
  const int64_t idle_ns = std::min(core->idle_owed_ns, left_ns - steal_ns);
  split.steal_ns += steal_ns;
  split.idle_ns += idle_ns;
  split.other_ns += left_ns - steal_ns - idle_ns;
  core->steal_owed_ns = std::min(core->steal_owed_ns - steal_ns, kOwedNsMax);
  core->idle_owed_ns = std::min(core->idle_owed_ns - idle_ns, kOwedNsMax);
}

void CoreSplitter::Restart() {
  for (Core& core : cores_) core.times.reset();
  anywhere_.reset();
}

std::vector<CoreSplit> CoreSplitter::cores() const {
  std::vector<CoreSplit> splits;
  for (const Core& core : cores_) {
    if (core.seen) splits.push_back(core.split);
  }
  return splits;
}

int64_t CoreSplitter::idle_ns() const {
  int64_t idle_ns = 0;
  for (const Core& core : cores_) idle_ns += core.split.idle_ns;
  return idle_ns;
}

int64_t LostParallelismNs(int64_t idle_ns, int waiting, int64_t interval_ns) {
  return std::min(idle_ns, waiting * interval_ns);
}

}  // namespace gild
