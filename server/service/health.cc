#include "server/service/health.h"

#include <utility>

namespace gild {

Health::Health(grpc::HealthCheckServiceInterface* service, std::function<Now()> now)
    : service_(service), now_(std::move(now)) {
  Set("", false);
  for (const LaneKind lane : {LaneKind::kIo, LaneKind::kCpu}) Set(std::string("gild.lane.") + Name(lane), false);
}

void Health::Watch(Poller* poller) {
  Check();
  poller->RunAt(NowNs() + kHealthPeriodNs, [this, poller] { Watch(poller); });
}

void Health::Check() {
  const Now now = now_();
  bool all = !now.draining;
  for (const auto& [lane, serving] : now.serving) {
    all = all && serving;
    Set(std::string("gild.lane.") + Name(lane), serving && !now.draining);
  }
  Set("", all);
}

void Health::Set(const std::string& name, bool serving) {
  // Only changes: each call wakes every watcher.
  auto [set, is_new] = set_.emplace(name, serving);
  if (!is_new && set->second == serving) return;
  set->second = serving;
  service_->SetServingStatus(name, serving);
}

}  // namespace gild
