#include "client/bench/plan.h"

#include <algorithm>

namespace gild::bench {

Plan::Plan(Schedule schedule, int64_t length_ns, uint64_t tasks_max)
    : schedule_(schedule), length_ns_(length_ns), tasks_max_(tasks_max), next_ns_(schedule_.Next()) {}

std::optional<int64_t> Plan::next() const {
  if (planned_ >= tasks_max_ || next_ns_ >= length_ns_) return std::nullopt;
  return next_ns_;
}

int64_t Plan::Take() {
  ++planned_;
  const int64_t planned_ns = next_ns_;
  next_ns_ = schedule_.Next();
  return planned_ns;
}

void Plan::Sent(const std::vector<int64_t>& planned_ns, int64_t now_ns) {
  const int64_t late_ns = now_ns - planned_ns.back();
  if (late_ns > kLateNs) late_ += planned_ns.size();
  late_max_ns_ = std::max(late_max_ns_, late_ns);
  sent_ += planned_ns.size();
  for (const int64_t planned : planned_ns) lag_sum_ns_ += now_ns - planned;
}

void Plan::Close(int64_t now_ns) {
  while (next() && *next() <= now_ns) Take();
}

}  // namespace gild::bench
