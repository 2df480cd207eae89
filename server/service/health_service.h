// HealthService answers grpc.health.v1.Health on gild's completion queues.
//
// gRPC's own (EnableDefaultHealthCheckService) brings two polling threads with it, and each thread that polls beside
// ours costs a wake-up at every event: without them the CPU lane does a fifth more no-op tasks a second. The protocol:
// https://github.com/grpc/grpc/blob/master/doc/health-checking.md. A service nobody has set is NOT_FOUND to Check and
// SERVICE_UNKNOWN to Watch; a Watch is told at once, and at every change, the last change if it reads slowly.
//
//   HealthService health(Health::Names());
//   builder.RegisterService(health.service());
//   … BuildAndStart …
//   health.Start(queues);
//   health.Set("gild.lane.io", true);
//   health.StopPosting();  server->Shutdown(…);  health.AwaitNoCalls();
#pragma once

#include <grpcpp/impl/codegen/service_type.h>

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "server/service/calls.h"
#include "server/service/completion_queue.h"
#include "server/service/unary_call.h"
#include "server/service/watch_call.h"

namespace gild {

class HealthService {
 public:
  // These are known from the start, as not serving.
  explicit HealthService(const std::vector<std::string>& names);
  ~HealthService();

  grpc::Service* service();

  // Waits for calls on each queue. REQUIRES: the server is built.
  void Start(const CompletionQueues& queues);
  // As in ExecutorService. A Watch ends when its client goes or the server is shut down.
  void StopPosting() { live_.StopPosting(); }
  void AwaitNoCalls() { live_.AwaitNone(); }

  // Any thread.
  void Set(const std::string& name, bool serving) ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  using Request = grpc::health::v1::HealthCheckRequest;
  using Response = grpc::health::v1::HealthCheckResponse;
  using Watch = WatchCall<Request, Response>;
  struct Rpcs;

  grpc::Status Check(const Request& request, Response* response) const ABSL_LOCKS_EXCLUDED(mutex_);
  Response::ServingStatus StatusOf(const std::string& name) const ABSL_LOCKS_EXCLUDED(mutex_);
  grpc::Status Add(const std::shared_ptr<Watch>& watch) ABSL_LOCKS_EXCLUDED(mutex_);
  void Remove(const std::shared_ptr<Watch>& watch) ABSL_LOCKS_EXCLUDED(mutex_);

  const std::unique_ptr<Rpcs> rpcs_;
  LiveCalls live_;
  const UnaryMethod<Request, Response> check_;
  const WatchMethod<Request, Response> watch_;

  mutable absl::Mutex mutex_;
  std::map<std::string, bool> serving_ ABSL_GUARDED_BY(mutex_);
  std::set<std::shared_ptr<Watch>> watches_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace gild
