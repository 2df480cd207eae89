// Figures: what a load has measured, from its samples.
//
// Pure functions and plain values: any thread. Percentiles are exact, by nearest rank over every sample.
//
//   const Latency latency = LatencyOf(samples);
//   printf("p99 %.1f ms\n", latency.p99_ns / 1e6);
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "client/bench/client_cpu.h"
#include "client/bench/tally.h"

namespace gild::bench {

// All zero without samples.
struct Latency {
  double mean_ns = 0;
  int64_t p50_ns = 0;
  int64_t p90_ns = 0;
  int64_t p99_ns = 0;
  int64_t p999_ns = 0;
  int64_t max_ns = 0;
};

// The smallest of the values that so much of all is not above. REQUIRES: sorted, not empty; 0 < share <= 1
int64_t Percentile(const std::vector<int64_t>& sorted, double share);

Latency LatencyOf(const std::deque<Sample>& samples);

// Where the mean latency went: the parts add up to it. Of tasks that ended.
struct Split {
  double client_lag_ns = 0;  // planned moment to send
  double network_ns = 0;     // the rest: gRPC on both sides, the wire, wake-ups
  double queue_ns = 0;
  double dispatch_ns = 0;
  // The run in three parts; absent without a lock meter, then `run_ns` is all there is.
  std::optional<double> wait_ns;
  std::optional<double> hold_ns;
  std::optional<double> off_lock_ns;  // 0 where a task's own threads have waited and held for longer than it ran
  double run_ns = 0;
};

// Rates and p99s of three equal windows of the measured time.
struct Steadiness {
  static constexpr size_t kWindows = 3;
  // Fewer have no p99 to speak of, and chance alone spreads their rates by 10 %.
  static constexpr uint64_t kWindowTasksMin = 1000;
  static constexpr double kRateSpreadMax = 0.10;
  static constexpr double kP99SpreadMax = 0.25;

  std::array<int64_t, kWindows> tasks = {};
  // (largest - smallest) / mean.
  double rate_spread = 0;
  double p99_spread = 0;
  bool stable() const { return rate_spread <= kRateSpreadMax && p99_spread <= kP99SpreadMax; }
};

// By when the outcomes came. Nothing when a window has too few tasks.
std::optional<Steadiness> SteadinessOf(const std::deque<Sample>& samples, int64_t length_ns);

struct Figures {
  // Sending stopped after so long; with a number of tasks to send, the last reply came then.
  int64_t length_ns = 0;
  // sent = endings + refused + unanswered. Open loop: planned = sent + unsent; else both are 0.
  uint64_t planned = 0;
  uint64_t sent = 0;
  uint64_t unsent = 0;
  uint64_t late = 0;
  int64_t late_max_ns = 0;
  std::map<v1::Ending, uint64_t> endings;
  std::map<v1::Lane, uint64_t> lanes;
  std::map<std::string, uint64_t> refused;
  uint64_t unanswered = 0;
  // Outcomes a second that came within length_ns.
  double rate = 0;
  Latency latency;
  Split split;
  std::optional<Steadiness> steadiness;
  std::optional<ClientCpu> cpu;  // within length_ns; absent: unavailable
  std::optional<v1::Outcome> first_other;
  bool interrupted = false;  // Stop was called
  bool full = false;         // as many samples as a load keeps
  absl::Status failure;      // what ended the load before its time

  uint64_t ended() const;
  uint64_t refused_sum() const;
};

// Fills in what follows from the tally: rate, latency, split, steadiness, endings and so on.
// REQUIRES: length_ns > 0. `lag_sum_ns` is over figures->sent sends.
void Summarise(Tally tally, int64_t lag_sum_ns, Figures* figures);

}  // namespace gild::bench
