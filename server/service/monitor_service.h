// MonitorService answers gild.v1.Monitor: GetInfo, GetStats and WatchStats on completion queues, the rest with
// UNIMPLEMENTED.
//
// All are made of values that the server has at hand; none needs an interpreter's lock. Started and ended like
// ExecutorService.
#pragma once

#include <grpcpp/impl/codegen/service_type.h>

#include <functional>
#include <map>
#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "gild/v1/monitor.grpc.pb.h"
#include "server/base/clock.h"
#include "server/base/poller.h"
#include "server/service/calls.h"
#include "server/service/completion_queue.h"
#include "server/service/unary_call.h"
#include "server/service/watch_call.h"
#include "server/task/snapshot.h"

namespace gild {

inline constexpr int64_t kStatsIntervalNsDefault = 1 * kNsPerSecond;
inline constexpr int64_t kStatsIntervalNsMin = 10 * kNsPerMs;
inline constexpr int64_t kStatsIntervalNsMax = 3600 * kNsPerSecond;

class MonitorService {
 public:
  // Neither `info` nor `snapshot` may block. `queue_capacity`: most tasks that may wait for a lane. `poller` outlives
  // it.
  MonitorService(std::function<ServerInfo()> info, int64_t queue_capacity, std::function<ServerSnapshot()> snapshot,
                 Poller* poller);
  ~MonitorService();

  grpc::Service* service();

  void Start(const CompletionQueues& queues);
  void StopPosting() { live_.StopPosting(); }
  void AwaitNoCalls() { live_.AwaitNone(); }

 private:
  struct Rpcs;
  using StatsWatch = WatchCall<v1::WatchStatsRequest, v1::Stats>;

  // What all watches of this moment are told: to look at everything takes a while, and it is the poller that looks.
  const v1::Stats& StatsOfNow() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  grpc::Status AddWatch(const std::shared_ptr<StatsWatch>& watch) ABSL_LOCKS_EXCLUDED(mutex_);
  void TellLater(const std::shared_ptr<StatsWatch>& watch) ABSL_LOCKS_EXCLUDED(mutex_);
  void RemoveWatch(const std::shared_ptr<StatsWatch>& watch) ABSL_LOCKS_EXCLUDED(mutex_);

  const std::function<ServerSnapshot()> snapshot_;
  Poller* const poller_;
  const std::unique_ptr<Rpcs> rpcs_;
  LiveCalls live_;
  const UnaryMethod<v1::GetInfoRequest, v1::Info> get_info_;
  const UnaryMethod<v1::GetStatsRequest, v1::Stats> get_stats_;
  const WatchMethod<v1::WatchStatsRequest, v1::Stats> watch_stats_;

  absl::Mutex mutex_;
  struct Beat {
    int64_t next_ns;
    Poller::TimerId timer = 0;
  };
  std::map<const StatsWatch*, Beat> watches_ ABSL_GUARDED_BY(mutex_);
  v1::Stats stats_ ABSL_GUARDED_BY(mutex_);
  int64_t stats_until_ns_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace gild
