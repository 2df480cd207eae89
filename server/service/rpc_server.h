// RpcServer is the whole gRPC side: Executor, Monitor, health and reflection on one port.
//
// Start, Shutdown and the destructor from one thread. Everything it is given outlives it.
//
//   auto rpc = RpcServer::Start({.listen = "127.0.0.1:50051"}, &scheduler, &metrics, info, snapshot, &poller);
//   Health health((*rpc)->health(), …);
//   (*rpc)->Open();
//   … (*rpc)->Shutdown();  // while the threads that deliver outcomes still run
#pragma once

#include <grpcpp/server.h>

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "server/metrics/metrics.h"
#include "server/scheduler/scheduler.h"
#include "server/service/completion_queue.h"
#include "server/service/executor_service.h"
#include "server/service/health_service.h"
#include "server/service/monitor_service.h"
#include "server/task/snapshot.h"

namespace gild {

class RpcServer {
 public:
  struct Options {
    std::string listen;                        // "host:port", "[v6]:port", "unix:path"; port 0 takes a free one
    int threads = 1;                           // that take calls and hand them to the scheduler, a queue each
    int64_t queue_capacity = kQueuedTasksMax;  // told by GetInfo
    int64_t unread_bytes_max = kUnreadBytesMax;
    int64_t task_memory_bytes_max = kMemoryBytesMax;  // the ceiling of limits.memory_bytes
  };

  // Listens; calls that come wait for Open. UNAVAILABLE when the port is in use.
  static absl::StatusOr<std::unique_ptr<RpcServer>> Start(const Options& options, Scheduler* scheduler,
                                                          Metrics* metrics, std::function<ServerInfo()> info,
                                                          std::function<ServerSnapshot()> snapshot, Poller* poller);
  ~RpcServer();

  // Takes calls from now on. Once.
  void Open();

  // 0 for a unix socket.
  int port() const { return port_; }
  // Lives as long as this, Shutdown or not.
  HealthService* health() { return &health_; }

  // Refuses new connections, lets calls in flight finish for a moment, cancels the rest, and returns when every call is
  // answered and freed. REQUIRES: whoever delivers outcomes still runs.
  void Shutdown();

 private:
  RpcServer(const Options& options, Scheduler* scheduler, Metrics* metrics, std::function<ServerInfo()> info,
            std::function<ServerSnapshot()> snapshot, Poller* poller);

  // Destroyed from the bottom up: the server before the services that it calls.
  ExecutorService executor_;
  MonitorService monitor_;
  HealthService health_;
  std::unique_ptr<CompletionQueues> queues_;
  std::unique_ptr<grpc::Server> server_;
  int port_ = 0;
  bool shut_down_ = false;
};

}  // namespace gild
