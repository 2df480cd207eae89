#include "client/bench/figures.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "client/bench/clock.h"

namespace gild::bench {
namespace {

template <typename Counts>
uint64_t SumOf(const Counts& counts) {
  uint64_t sum = 0;
  for (const auto& [what, tasks] : counts) sum += tasks;
  return sum;
}

// (largest - smallest) / mean.
template <typename Values>
double SpreadOf(const Values& values) {
  double sum = 0;
  for (const auto value : values) sum += static_cast<double>(value);
  const auto [smallest, largest] = std::minmax_element(values.begin(), values.end());
  return sum == 0 ? 0 : static_cast<double>(*largest - *smallest) / (sum / static_cast<double>(values.size()));
}

Split SplitOf(const Tally& tally, double mean_lag_ns, double mean_latency_ns) {
  const auto tasks = static_cast<double>(tally.samples.size());
  Split split;
  split.client_lag_ns = mean_lag_ns;
  split.queue_ns = static_cast<double>(tally.queue_ns) / tasks;
  split.dispatch_ns = static_cast<double>(tally.dispatch_ns) / tasks;
  split.run_ns = static_cast<double>(tally.run_ns) / tasks;
  if (tally.ran_unseen == 0) {
    split.wait_ns = static_cast<double>(tally.wait_ns) / tasks;
    split.hold_ns = static_cast<double>(tally.hold_ns) / tasks;
    split.off_lock_ns = std::max(0.0, split.run_ns - *split.wait_ns - *split.hold_ns);
  }
  split.network_ns = mean_latency_ns - mean_lag_ns - split.queue_ns - split.dispatch_ns - split.run_ns;
  return split;
}

}  // namespace

int64_t Percentile(const std::vector<int64_t>& sorted, double share) {
  // Less a little: 0.9 * 10 is to be the ninth value, whatever its last binary digit.
  const double rank = std::ceil(share * static_cast<double>(sorted.size()) - 1e-6);
  return sorted[static_cast<size_t>(std::max(rank, 1.0)) - 1];
}

Latency LatencyOf(const std::deque<Sample>& samples) {
  if (samples.empty()) return {};
  std::vector<int64_t> sorted;
  sorted.reserve(samples.size());
  double sum = 0;
  for (const Sample& sample : samples) {
    sorted.push_back(sample.latency_ns);
    sum += static_cast<double>(sample.latency_ns);
  }
  std::sort(sorted.begin(), sorted.end());
  return {sum / static_cast<double>(sorted.size()),
          Percentile(sorted, 0.5),
          Percentile(sorted, 0.9),
          Percentile(sorted, 0.99),
          Percentile(sorted, 0.999),
          sorted.back()};
}

std::optional<Steadiness> SteadinessOf(const std::deque<Sample>& samples, int64_t length_ns) {
  std::array<std::deque<Sample>, Steadiness::kWindows> windows;
  for (const Sample& sample : samples) {
    if (sample.at_ns < 0 || sample.at_ns >= length_ns) continue;  // came after the sending had stopped
    windows[static_cast<size_t>(static_cast<double>(sample.at_ns) / static_cast<double>(length_ns) * windows.size())]
        .push_back(sample);
  }
  Steadiness steadiness;
  std::array<int64_t, Steadiness::kWindows> p99s = {};
  for (size_t i = 0; i < windows.size(); ++i) {
    if (windows[i].size() < Steadiness::kWindowTasksMin) return std::nullopt;
    steadiness.tasks[i] = static_cast<int64_t>(windows[i].size());
    p99s[i] = LatencyOf(windows[i]).p99_ns;
  }
  steadiness.rate_spread = SpreadOf(steadiness.tasks);
  steadiness.p99_spread = SpreadOf(p99s);
  return steadiness;
}

uint64_t Figures::ended() const { return SumOf(endings); }

uint64_t Figures::refused_sum() const { return SumOf(refused); }

void Summarise(Tally tally, int64_t lag_sum_ns, Figures* figures) {
  const auto came = std::count_if(tally.samples.begin(), tally.samples.end(),
                                  [figures](const Sample& sample) { return sample.at_ns <= figures->length_ns; });
  figures->rate = static_cast<double>(came) / static_cast<double>(figures->length_ns) * kNsPerSecond;
  figures->latency = LatencyOf(tally.samples);
  if (!tally.samples.empty()) {
    const double mean_lag_ns = figures->sent == 0 ? 0 : static_cast<double>(lag_sum_ns) / figures->sent;
    figures->split = SplitOf(tally, mean_lag_ns, figures->latency.mean_ns);
  }
  figures->steadiness = SteadinessOf(tally.samples, figures->length_ns);
  figures->endings = std::move(tally.endings);
  figures->lanes = std::move(tally.lanes);
  figures->refused = std::move(tally.refused);
  figures->unanswered = tally.unanswered;
  figures->first_other = std::move(tally.first_other);
}

}  // namespace gild::bench
