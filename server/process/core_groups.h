// CoreGroups: three control groups of cgroup v1's cpuacct, for the server (with the zygote), the I/O lane and the CPU
// lane. The kernel counts what each used of each core, in nanoseconds, whatever a task forks and however short it
// lives; a core that computes right now is up to a timer's tick (1 to 10 ms) behind.
//
// They are made beneath the group that this process is in, in a folder of its own (gild-server-XXXXXX), so that several
// servers live side by side; the destructor moves this process back and removes them. What a killed server has left
// behind is removed by the next one that starts in the same group.
//
// Make before any child is started. Read from any thread.
//
//   auto groups = CoreGroups::Make();
//   if (groups.ok()) order.group = (*groups)->folder(LaneKind::kIo);  // the slot's init joins it (base/cgroup)
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/base/core_split.h"
#include "server/task/task.h"

namespace gild {

class CoreGroups {
 public:
  // And moves this process, with all its threads, into the server's. An error says why it cannot be.
  static absl::StatusOr<std::unique_ptr<CoreGroups>> Make();
  // REQUIRES: no process but this one is left in any of them, or about to end; else they are left behind.
  ~CoreGroups();
  CoreGroups(const CoreGroups&) = delete;
  CoreGroups& operator=(const CoreGroups&) = delete;

  // A process that joins it is counted for the lane, with all that it starts from then on.
  const std::string& folder(LaneKind lane) const { return lane == LaneKind::kIo ? io_ : cpu_; }

  // Since the groups were made, by core.
  absl::StatusOr<std::map<int, OwnTime>> Read(const std::vector<int>& cores) const;

 private:
  CoreGroups(std::string outer, std::string folder);

  const std::string outer_;  // where this process came from, and goes back to
  const std::string folder_;
  const std::string server_;
  const std::string io_;
  const std::string cpu_;
};

// The folder of the cpuacct group that a process is in, from its /proc/PID/mountinfo and /proc/PID/cgroup. An error
// where there is none that groups could be made in without another effect.
absl::StatusOr<std::string> CpuacctFolder(const std::string& mountinfo, const std::string& cgroup);

// cpuacct.usage_percpu: nanoseconds, one number a core. An error unless it is that, for all the cores asked for.
absl::StatusOr<std::map<int, int64_t>> ParseUsagePerCpu(absl::string_view text, const std::vector<int>& cores);

// Removes the groups of servers that are gone from a folder; not those that anybody is in.
void RemoveAbandonedCoreGroups(const std::string& outer);

}  // namespace gild
