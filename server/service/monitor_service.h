// MonitorService answers gild.v1.Monitor: GetInfo and GetStats on completion queues, the rest with UNIMPLEMENTED.
//
// Both answers are made of values that the server has at hand; neither needs an interpreter's lock. Started and ended
// like ExecutorService.
#pragma once

#include <grpcpp/impl/codegen/service_type.h>

#include <functional>
#include <memory>

#include "gild/v1/monitor.grpc.pb.h"
#include "server/service/calls.h"
#include "server/service/completion_queue.h"
#include "server/service/unary_call.h"
#include "server/task/snapshot.h"

namespace gild {

class MonitorService {
 public:
  // Neither `info` nor `snapshot` may block. `queue_capacity`: most tasks that may wait for a lane.
  MonitorService(std::function<ServerInfo()> info, int64_t queue_capacity, std::function<ServerSnapshot()> snapshot);
  ~MonitorService();

  grpc::Service* service();

  void Start(const CompletionQueues& queues);
  void StopPosting() { live_.StopPosting(); }
  void AwaitNoCalls() { live_.AwaitNone(); }

 private:
  struct Rpcs;

  const std::unique_ptr<Rpcs> rpcs_;
  LiveCalls live_;
  const UnaryMethod<v1::GetInfoRequest, v1::Info> get_info_;
  const UnaryMethod<v1::GetStatsRequest, v1::Stats> get_stats_;
};

}  // namespace gild
