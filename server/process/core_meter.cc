#include "server/process/core_meter.h"

#include <time.h>

#include <algorithm>
#include <utility>

#include "server/base/log.h"

namespace gild {

CoreMeter::CoreMeter(const std::vector<int>& cores, Sources sources) : sources_(std::move(sources)), splitter_(cores) {}

void CoreMeter::Read(int64_t now_ns, const std::vector<SlotSnapshot>& slots) {
  CoreSplitter::Reading reading{.now_ns = now_ns};
  absl::StatusOr<std::vector<CoreTimes>> core_times = sources_.core_times();
  available_ = core_times.ok();
  if (!available_) return;
  reading.cores = *std::move(core_times);
  if (!distrust_) {
    absl::StatusOr<std::map<int, OwnTime>> own = sources_.groups();
    if (own.ok()) {
      reading.own = *std::move(own);
    } else {
      DistrustLocked(std::string(own.status().message()));
    }
  }
  if (distrust_) Estimate(slots, &reading);
  splitter_.Add(reading);
}

void CoreMeter::Estimate(const std::vector<SlotSnapshot>& slots, CoreSplitter::Reading* reading) {
  for (const SlotSnapshot& slot : slots) {
    if (slot.pid == 0) continue;
    LastSeen& last = interpreters_[slot.slot];
    if (last.generation != slot.generation) last = {.generation = slot.generation};
    const int64_t used_ns = sources_.process_ns(slot.pid);
    OwnTime& place = slot.core >= 0 ? pinned_[slot.core] : anywhere_;
    (slot.lane == LaneKind::kIo ? place.io_ns : place.cpu_ns) += std::max<int64_t>(0, used_ns - last.used_ns);
    last.used_ns = std::max(last.used_ns, used_ns);
  }
  anywhere_.server_ns = sources_.server_ns();
  reading->own = pinned_;
  reading->anywhere = anywhere_;
}

void CoreMeter::Count(int64_t now_ns, const std::vector<SlotSnapshot>& slots, std::optional<int> waiting) {
  absl::MutexLock lock(&mutex_);
  Read(now_ns, slots);
  if (!available_ || !waiting) return;
  const int64_t idle_ns = splitter_.idle_ns();
  if (!lost_ns_) lost_ns_ = 0;
  if (counted_ns_) *lost_ns_ += LostParallelismNs(idle_ns - counted_idle_ns_, *waiting, now_ns - *counted_ns_);
  counted_ns_ = now_ns;
  counted_idle_ns_ = idle_ns;
}

CoreMeter::Figures CoreMeter::Look(int64_t now_ns, const std::vector<SlotSnapshot>& slots) {
  absl::MutexLock lock(&mutex_);
  Read(now_ns, slots);
  if (!available_) return {};
  return {.cores = splitter_.cores(), .lost_parallelism_ns = lost_ns_};
}

void CoreMeter::Distrust(const std::string& why) {
  absl::MutexLock lock(&mutex_);
  DistrustLocked(why);
}

void CoreMeter::DistrustLocked(const std::string& why) {
  if (distrust_) return;
  distrust_ = why;
  // What the processes have used up to now was counted by other means.
  splitter_.Restart();
  LogWarning("the split of the cores is an estimate", {{"reason", why}});
}

bool CoreMeter::exact() const {
  absl::MutexLock lock(&mutex_);
  return !distrust_;
}

std::string CoreMeter::detail() const {
  absl::MutexLock lock(&mutex_);
  return distrust_ ? *distrust_ : "control groups of cgroup v1's cpuacct";
}

int64_t ProcessTimeNs(pid_t pid) {
  clockid_t clock;
  return clock_getcpuclockid(pid, &clock) == 0 ? ClockNs(clock) : 0;
}

}  // namespace gild
