// What `gild demo` measured, and how it is told: a table for 80 columns, a sentence, or one line of JSON.
//
// Pure functions of the figures: any thread. Nothing here is canned: a lane that gained is said to have gained,
// whichever it was. A figure that nobody could measure is "n/a" in the table and null in JSON, never zero.
//
//   DemoReport report = …;
//   fputs(DemoText(report, /*utf8=*/true).c_str(), stdout);
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "client/cli/runtime.h"
#include "gild/v1/monitor.pb.h"
#include "gild/v1/task.pb.h"

namespace gild::cli {

// One workload in one lane.
struct LaneFigures {
  v1::Lane lane = v1::NO_LANE;
  size_t tasks = 0;
  // Most tasks that were under way at the same time.
  size_t outstanding = 0;
  // First submit to last reply, at the client.
  absl::Duration wall;
  // Sums over the tasks; the lock's are absent when a single task's are.
  absl::Duration run;
  std::optional<absl::Duration> wait;
  std::optional<absl::Duration> hold;
  std::optional<absl::Duration> longest_hold;
  // Busy share of each core meanwhile, 0 to 1, in order of core. Empty: unavailable.
  std::vector<double> cores;
  std::map<std::string, size_t> endings;
  // Of most tasks: "LOCK_BOUND". Empty: unavailable.
  std::string verdict;

  double TasksPerSecond() const;
  // Of the task time; absent without a lock meter.
  std::optional<double> WaitShare() const;
  std::optional<double> HoldShare() const;
};

// One workload in plain threads of the interpreter that --runtime named.
struct RuntimeFigures {
  size_t tasks = 0;
  size_t threads = 0;
  RuntimeRun run;
  // One after another in the same interpreter. Absent: not measured.
  std::optional<absl::Duration> alone;
  // As a lane's.
  std::vector<double> cores;

  double TasksPerSecond() const;
  std::optional<double> Speedup() const;
};

struct WorkloadFigures {
  std::string id;
  std::string title;
  std::string subject;
  // The same tasks one after another in the CPU lane of the idle server: the sum of their run times alone.
  std::optional<absl::Duration> baseline;
  // Of the machine's cores, what others than the tasks used during the baseline, 0 to 1. Absent: unavailable.
  std::optional<double> other_load;
  std::vector<LaneFigures> lanes;
  std::optional<RuntimeFigures> runtime;

  std::optional<double> Speedup(const LaneFigures& lane) const;
  // Where the tasks had a lock of their own, if they ever did; empty: unavailable.
  std::string Verdict() const;
  // The lane that was quicker by more than 5 %; null when there is none.
  const LaneFigures* Best() const;
};

struct DemoReport {
  std::string gild_version;
  std::string python_version;
  std::vector<int> cores;
  absl::Duration took;
  std::optional<Runtime> runtime;
  std::vector<WorkloadFigures> workloads;
};

// Fills in all but the wall time, the outstanding tasks and the cores.
LaneFigures SumOf(v1::Lane lane, const std::vector<v1::Outcome>& outcomes);

// (user + system) / (user + system + idle + steal) between two snapshots, in order of core.
std::vector<double> BusyShares(const v1::Stats& before, const v1::Stats& after);

// The share of all cores that was busy between two snapshots with something else than these tasks: gild itself, which
// is little when one task runs at a time, and whatever else the machine is doing. Absent when the snapshots have no
// cores.
std::optional<double> OtherLoad(const v1::Stats& before, const v1::Stats& after, absl::Duration tasks_cpu);
// A headline's right end: "2 cores, CPython 3.11.2, 38 s".
std::string MeasuredOn(size_t cores, const std::string& python_version, absl::Duration took);
// Empty on a machine that has little else to do.
std::string OtherLoadNote(double other_load);

// "▇ ▁" for few cores, without spaces for more, and averaged over neighbours beyond eight. Digits (0 to 9, tenths)
// where the terminal has no UTF-8.
std::string CoreBars(const std::vector<double>& shares, bool utf8);

std::string DemoText(const DemoReport& report, bool utf8);
std::string DemoJson(const DemoReport& report);
// One or two sentences, unwrapped.
std::string DemoSummary(const DemoReport& report);

}  // namespace gild::cli
