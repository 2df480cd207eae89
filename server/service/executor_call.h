// What the calls of gild.v1.Executor work with.
#pragma once

#include <atomic>
#include <cstdint>

#include "gild/v1/executor.grpc.pb.h"
#include "server/base/poller.h"
#include "server/metrics/metrics.h"
#include "server/scheduler/scheduler.h"
#include "server/service/calls.h"
#include "server/service/function_store.h"

namespace gild {

// What is served on completion queues; the rest of the Executor is synchronous.
using AsyncExecutor = v1::Executor::WithAsyncMethod_Run<v1::Executor::WithAsyncMethod_RunStream<
    v1::Executor::WithAsyncMethod_PutFunction<v1::Executor::WithAsyncMethod_Watch<v1::Executor::Service>>>>;

class TaskWatches;

// Lives as long as the calls.
struct CallContext {
  AsyncExecutor* rpcs;
  Scheduler* scheduler;
  Poller* poller;
  Metrics* metrics;
  FunctionStore* functions;
  TaskWatches* watches;
  LiveCalls* live;
  // Replies of Run that their clients have not read, and how many bytes of them there may be before more is refused.
  std::atomic<int64_t>* unread_bytes;
  int64_t unread_bytes_max;
  int64_t task_memory_bytes_max;  // the ceiling of limits.memory_bytes
};

}  // namespace gild
