// ExecutorService answers gild.v1.Executor: Run on completion queues, everything else with UNIMPLEMENTED.
//
// One object per call, kept alive by whoever may still come back to it: gRPC's tags and the scheduler's `done`. A call
// is finished straight from the thread that delivers the outcome. Start and Shutdown from one thread; the rest is
// gRPC's.
//
//   ExecutorService executor(&scheduler, &metrics);
//   builder.RegisterService(executor.service());
//   CompletionQueues queues(&builder, 2);
//   … BuildAndStart …
//   executor.Start(queues);  queues.Start();
//   executor.AwaitNoneInFlight(limit);  executor.StopPosting();  server->Shutdown(…);
//   executor.AwaitNoCalls();  queues.Shutdown();
#pragma once

#include <grpcpp/completion_queue.h>
#include <grpcpp/impl/codegen/service_type.h>

#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "server/metrics/metrics.h"
#include "server/scheduler/scheduler.h"
#include "server/service/completion_queue.h"

namespace gild {

class ExecutorService {
 public:
  // Both outlive it.
  ExecutorService(Scheduler* scheduler, Metrics* metrics);
  ~ExecutorService();

  grpc::Service* service();

  // Waits for calls on each queue. REQUIRES: the server is built.
  void Start(const CompletionQueues& queues);
  // Returns when no call is in flight, or after the limit. More may arrive.
  void AwaitNoneInFlight(absl::Duration limit) ABSL_LOCKS_EXCLUDED(mutex_);
  // Before the server's Shutdown: no further calls are waited for.
  void StopPosting() ABSL_LOCKS_EXCLUDED(mutex_);
  // After the server's Shutdown: returns when every call has been answered and freed. Each needs its task's outcome, so
  // whoever delivers these must still run.
  void AwaitNoCalls() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  class RunCall;
  class Live;
  struct Rpcs;

  void Post(grpc::ServerCompletionQueue* queue) ABSL_LOCKS_EXCLUDED(mutex_);

  Scheduler* const scheduler_;
  Metrics* const metrics_;
  const std::unique_ptr<Rpcs> rpcs_;

  absl::Mutex mutex_;
  bool posting_ ABSL_GUARDED_BY(mutex_) = true;
  int live_calls_ ABSL_GUARDED_BY(mutex_) = 0;  // waiting for their client or in flight
  int in_flight_ ABSL_GUARDED_BY(mutex_) = 0;   // arrived and not yet freed
};

}  // namespace gild
