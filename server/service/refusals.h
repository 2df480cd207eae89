// What a call is refused with: each becomes a gRPC status with a google.rpc.Status in its details, as executor.proto
// says. Pure functions, any thread.
#pragma once

#include <string>

#include <grpcpp/support/status.h>

#include "server/scheduler/scheduler.h"
#include "server/task/task.h"

namespace gild {

struct InvalidField {
  std::string field;        // "task.limits.wall"
  std::string description;  // "is negative"
};

// The task calls a function that is not in the store.
struct MissingFunction {
  std::string sha256;
};

// No task of that id waits or runs.
struct UnknownTask {
  std::string id;
};

grpc::Status ToStatus(const InvalidField& invalid);
grpc::Status ToStatus(const MissingFunction& missing);
grpc::Status ToStatus(const UnknownTask& unknown);
grpc::Status ToStatus(const Refusal& refusal, LaneKind lane);

}  // namespace gild
