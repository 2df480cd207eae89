// ExecutorService answers gild.v1.Executor: Run, RunStream, PutFunction and Watch on completion queues, everything else
// with UNIMPLEMENTED.
//
// One object per call (RunCall, StreamCall, UnaryCall, WatchCall). Start and Shutdown from one thread; the rest is
// gRPC's.
//
//   ExecutorService executor(&scheduler, &poller, &metrics, kUnreadBytesMax);
//   builder.RegisterService(executor.service());
//   CompletionQueues queues(&builder, 1);
//   … BuildAndStart …
//   executor.Start(queues);  queues.Start();
//   executor.AwaitNoneInFlight(limit);  executor.StopPosting();  server->Shutdown(…);
//   executor.AwaitNoCalls();  queues.Shutdown();
#pragma once

#include <grpcpp/impl/codegen/service_type.h>

#include <memory>

#include "absl/time/time.h"
#include "server/service/completion_queue.h"
#include "server/service/executor_call.h"
#include "server/service/task_watches.h"
#include "server/service/unary_call.h"

namespace gild {

class ExecutorService {
 public:
  // All outlive it.
  ExecutorService(Scheduler* scheduler, Poller* poller, Metrics* metrics, int64_t unread_bytes_max,
                  int64_t task_memory_bytes_max);
  ~ExecutorService();

  grpc::Service* service();

  // Waits for calls on each queue. REQUIRES: the server is built.
  void Start(const CompletionQueues& queues);
  // Returns when no call is in flight, or after the limit. More may arrive.
  void AwaitNoneInFlight(absl::Duration limit) { live_.AwaitNoneInFlight(limit); }
  // Before the server's Shutdown: no further calls are waited for.
  void StopPosting() { live_.StopPosting(); }
  // After the server's Shutdown: returns when every call has been answered and freed. Each needs its tasks' outcomes,
  // so whoever delivers these must still run.
  void AwaitNoCalls() { live_.AwaitNone(); }

 private:
  struct Rpcs;

  const std::unique_ptr<Rpcs> rpcs_;
  LiveCalls live_;
  std::atomic<int64_t> unread_bytes_ = 0;
  FunctionStore functions_;
  TaskWatches watches_;
  const CallContext context_;
  const UnaryMethod<v1::PutFunctionRequest, v1::PutFunctionReply> put_function_;
};

}  // namespace gild
