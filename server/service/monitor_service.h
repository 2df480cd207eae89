// MonitorService answers gild.v1.Monitor: GetInfo and GetStats through gRPC's callback API, the rest with
// UNIMPLEMENTED.
//
// Any thread (gRPC's). Both answers are made of values that the server has at hand; neither needs an interpreter's
// lock.
#pragma once

#include <grpcpp/impl/codegen/service_type.h>

#include <functional>
#include <memory>

#include "server/task/snapshot.h"

namespace gild {

class MonitorService {
 public:
  // Neither `info` nor `snapshot` may block. `queue_capacity`: most tasks that may wait for a lane.
  MonitorService(std::function<ServerInfo()> info, int64_t queue_capacity, std::function<ServerSnapshot()> snapshot);
  ~MonitorService();

  grpc::Service* service();

 private:
  class Rpcs;
  const std::unique_ptr<Rpcs> rpcs_;
};

}  // namespace gild
