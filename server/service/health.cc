#include "server/service/health.h"

#include <utility>

namespace gild {
namespace {

std::string NameOf(LaneKind lane) { return std::string("gild.lane.") + Name(lane); }

}  // namespace

std::vector<std::string> Health::Names() { return {"", NameOf(LaneKind::kIo), NameOf(LaneKind::kCpu)}; }

Health::Health(Setter setter, std::function<Now()> now) : setter_(std::move(setter)), now_(std::move(now)) {
  for (std::string& name : Names()) set_[std::move(name)] = false;
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
    Set(NameOf(lane), serving && !now.draining);
  }
  Set("", all);
}

void Health::Set(const std::string& name, bool serving) {
  // Only changes: each call wakes every watcher.
  if (std::exchange(set_[name], serving) == serving) return;
  setter_(name, serving);
}

}  // namespace gild
