// CoreMeter: what the server says of the use of its cores: how each one's time is split, and the parallelism that was
// lost.
//
// Two ways to know what gild's own processes used. Exact: control groups (core_groups). Where those cannot be made, or
// are lost later on, an estimate from the clocks of the processes: a lane's sum is then right but for what tasks fork
// and for what an interpreter used after the last look at it; where the I/O lane and the server used it is not known,
// and is spread over what the cores were busy with otherwise. An interpreter that is pinned is counted on its core.
//
// Any thread. Every look reads a few small files, in some 0.2 ms.
//
//   CoreMeter meter(cores, std::move(sources));
//   meter.Count(NowNs(), slots, waiting);             // every kPeriodNs
//   CoreMeter::Figures now = meter.Look(NowNs(), slots);  // whenever somebody asks
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "server/base/clock.h"
#include "server/base/core_split.h"
#include "server/base/cores.h"
#include "server/task/snapshot.h"

namespace gild {

class CoreMeter {
 public:
  // How often parallelism that is lost is counted.
  static constexpr int64_t kPeriodNs = 100 * kNsPerMs;

  struct Sources {
    std::function<absl::StatusOr<std::vector<CoreTimes>>()> core_times;
    // Of the control groups; an error says why there are none. Called again until it says so.
    std::function<absl::StatusOr<std::map<int, OwnTime>>()> groups;
    // Of the server and the zygote; used without groups.
    std::function<int64_t()> server_ns;
    // Of one process, with all its threads; 0: there is none.
    std::function<int64_t(pid_t pid)> process_ns;
  };

  struct Figures {
    std::vector<CoreSplit> cores;  // empty: unavailable
    std::optional<int64_t> lost_parallelism_ns;
  };

  CoreMeter(const std::vector<int>& cores, Sources sources);

  // Without `waiting`, which nobody can tell without a lock meter, lost parallelism is unavailable.
  void Count(int64_t now_ns, const std::vector<SlotSnapshot>& slots, std::optional<int> waiting)
      ABSL_LOCKS_EXCLUDED(mutex_);
  Figures Look(int64_t now_ns, const std::vector<SlotSnapshot>& slots) ABSL_LOCKS_EXCLUDED(mutex_);

  // Not everything is in its group: from now on the split is an estimate. The first reason is kept.
  void Distrust(const std::string& why) ABSL_LOCKS_EXCLUDED(mutex_);
  bool exact() const ABSL_LOCKS_EXCLUDED(mutex_);
  // What the split rests on, or why it is not exact.
  std::string detail() const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  struct LastSeen {
    uint64_t generation = 0;
    int64_t used_ns = 0;
  };

  void Read(int64_t now_ns, const std::vector<SlotSnapshot>& slots) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Estimate(const std::vector<SlotSnapshot>& slots, CoreSplitter::Reading* reading)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void DistrustLocked(const std::string& why) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Sources sources_;

  mutable absl::Mutex mutex_;
  CoreSplitter splitter_ ABSL_GUARDED_BY(mutex_);
  bool available_ ABSL_GUARDED_BY(mutex_) = false;
  std::optional<std::string> distrust_ ABSL_GUARDED_BY(mutex_);

  // Of the estimate.
  std::map<std::string, LastSeen> interpreters_ ABSL_GUARDED_BY(mutex_);  // by slot
  std::map<int, OwnTime> pinned_ ABSL_GUARDED_BY(mutex_);                 // by core
  OwnTime anywhere_ ABSL_GUARDED_BY(mutex_);

  // Of lost parallelism: at the last count.
  std::optional<int64_t> counted_ns_ ABSL_GUARDED_BY(mutex_);
  int64_t counted_idle_ns_ ABSL_GUARDED_BY(mutex_) = 0;
  std::optional<int64_t> lost_ns_ ABSL_GUARDED_BY(mutex_);
};

// Processor time of a process and all its threads, those that have ended too (clock_getcpuclockid(3)); 0: there is
// none.
int64_t ProcessTimeNs(pid_t pid);

}  // namespace gild
