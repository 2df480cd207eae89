// What `gild advise` found, and how it is told: a tag with its reason, a table for 80 columns, the functions that hold
// the lock; or one line of JSON.
//
// Pure functions of the figures: any thread.
//
//   AdviceReport report = …;
//   fputs(AdviceText(report).c_str(), stdout);
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "client/cli/advise_model.h"
#include "gild/v1/task.pb.h"

namespace gild::cli {

// Rates are runs a second.
struct LaneAdvice {
  v1::Lane lane = v1::NO_LANE;
  AloneCost alone;
  size_t alone_runs = 0;
  double predicted = 0;
  std::optional<double> measured;
  size_t measured_runs = 0;
};

struct AdviceReport {
  std::string gild_version;
  std::string python_version;
  std::string script;  // "primes.py: count"
  Places places;
  absl::Duration took;
  AdvicePlan plan;
  LaneAdvice io{.lane = v1::IO_LANE};
  LaneAdvice cpu{.lane = v1::CPU_LANE};
  // Of the cores, what others than the runs used while one ran alone, 0 to 1. Absent: unavailable.
  std::optional<double> other_load;
  // Of one run more, with Task.profile_lock. Absent: not asked for, or no time for it.
  std::optional<v1::Outcome> profiled;
  std::string next;  // a command to go on with; empty: none

  // Against one at a time in the CPU lane.
  double Speedup(double rate) const;
  v1::Tag Tag() const { return TagFor(io.predicted, cpu.predicted); }
  // The measured rates say the same.
  bool Confirmed() const { return !io.measured || TagFor(*io.measured, *cpu.measured) == Tag(); }
};

std::string AdviceText(const AdviceReport& report);
std::string AdviceJson(const AdviceReport& report);

}  // namespace gild::cli
