#include "server/service/monitor_service.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/base/clock.h"
#include "server/service/refusals.h"
#include "server/service/to_wire.h"
#include "server/task/capacity.h"

namespace gild {
namespace {

using V1 = v1::Monitor;

grpc::Status Later(const char* rpc) {
  return grpc::Status(grpc::StatusCode::UNIMPLEMENTED, std::string("Monitor.") + rpc + " comes in a later version");
}

// Beyond what a sum of nanoseconds can hold is beyond the most all the same.
int64_t IntervalNs(const v1::WatchStatsRequest& request) {
  const auto& interval = request.interval();
  const int64_t seconds = std::clamp<int64_t>(interval.seconds(), -1, kStatsIntervalNsMax / kNsPerSecond + 1);
  const int64_t asked_ns = seconds * kNsPerSecond + interval.nanos();
  return asked_ns == 0 ? kStatsIntervalNsDefault : asked_ns;
}

}  // namespace

// The synchronous half: what is not there yet.
struct MonitorService::Rpcs
    : public V1::WithAsyncMethod_GetInfo<V1::WithAsyncMethod_GetStats<V1::WithAsyncMethod_WatchStats<V1::Service>>> {
  grpc::Status Trace(grpc::ServerContext*, const v1::TraceRequest*, grpc::ServerWriter<v1::TraceReply>*) override {
    return Later("Trace");
  }
};

MonitorService::MonitorService(std::function<ServerInfo()> info, int64_t queue_capacity,
                               std::function<ServerSnapshot()> snapshot, Poller* poller)
    : snapshot_(std::move(snapshot)),
      poller_(poller),
      rpcs_(std::make_unique<Rpcs>()),
      get_info_{.wait = [this](auto... arguments) { rpcs_->RequestGetInfo(arguments...); },
                .answer =
                    [this, info = std::move(info), queue_capacity](const v1::GetInfoRequest&, v1::Info* reply) {
                      *reply = ToWire(info(), snapshot_().lanes, queue_capacity);
                      return grpc::Status::OK;
                    },
                .live = &live_},
      get_stats_{.wait = [this](auto... arguments) { rpcs_->RequestGetStats(arguments...); },
                 .answer =
                     [this](const v1::GetStatsRequest&, v1::Stats* reply) {
                       *reply = ToWire(snapshot_());
                       return grpc::Status::OK;
                     },
                 .live = &live_},
      watch_stats_{.wait = [this](auto... arguments) { rpcs_->RequestWatchStats(arguments...); },
                   .arrived = [this](const std::shared_ptr<StatsWatch>& watch) { return AddWatch(watch); },
                   .latest =
                       [this](const StatsWatch&, v1::Stats* message) {
                         absl::MutexLock lock(&mutex_);
                         *message = StatsOfNow();
                         return Latest{.is_new = true};
                       },
                   .written = [this](const std::shared_ptr<StatsWatch>& watch) { TellLater(watch); },
                   .gone = [this](const std::shared_ptr<StatsWatch>& watch) { RemoveWatch(watch); },
                   .live = &live_} {}

MonitorService::~MonitorService() = default;

grpc::Service* MonitorService::service() { return rpcs_.get(); }

void MonitorService::Start(const CompletionQueues& queues) {
  for (const auto& queue : queues.queues()) {
    UnaryCall<v1::GetInfoRequest, v1::Info>::Post(&get_info_, queue->grpc());
    UnaryCall<v1::GetStatsRequest, v1::Stats>::Post(&get_stats_, queue->grpc());
    StatsWatch::Post(&watch_stats_, queue->grpc());
  }
}

const v1::Stats& MonitorService::StatsOfNow() {
  const int64_t now_ns = NowNs();
  if (now_ns >= stats_until_ns_) {
    stats_ = ToWire(snapshot_());
    stats_until_ns_ = now_ns + kStatsIntervalNsMin / 2;
  }
  return stats_;
}

grpc::Status MonitorService::AddWatch(const std::shared_ptr<StatsWatch>& watch) {
  const int64_t interval_ns = IntervalNs(watch->request());
  if (interval_ns < kStatsIntervalNsMin || interval_ns > kStatsIntervalNsMax) {
    return ToStatus(InvalidField{"interval", "is not from 10 ms to 1 h"});
  }
  absl::MutexLock lock(&mutex_);
  if (watches_.size() >= kStatsWatchesMax) {
    return {grpc::StatusCode::RESOURCE_EXHAUSTED, absl::StrCat("there are ", kStatsWatchesMax, " watches already")};
  }
  watches_[watch.get()] = {.next_ns = NowNs()};
  return grpc::Status::OK;
}

void MonitorService::TellLater(const std::shared_ptr<StatsWatch>& watch) {
  absl::MutexLock lock(&mutex_);
  const auto found = watches_.find(watch.get());
  if (found == watches_.end()) return;
  Beat& beat = found->second;
  // A fixed beat, but for a reader that was slower.
  beat.next_ns = std::max(beat.next_ns + IntervalNs(watch->request()), NowNs());
  beat.timer = poller_->RunAt(beat.next_ns, [weak = std::weak_ptr(watch)] {
    if (const auto alive = weak.lock()) alive->Tell();
  });
}

void MonitorService::RemoveWatch(const std::shared_ptr<StatsWatch>& watch) {
  absl::MutexLock lock(&mutex_);
  const auto found = watches_.find(watch.get());
  if (found == watches_.end()) return;
  // A weak pointer would keep the call's memory for as long as an hour.
  poller_->CancelTimer(found->second.timer);
  watches_.erase(found);
}

}  // namespace gild
