// The only place where the wire (gild.v1) and the domain (server/task) meet. Pure functions, any thread.
//
// Downwards everything is checked and every limit ends up within its ceiling, so no floor beneath checks again. Upwards
// user text goes into bytes fields as it is, and into string fields as valid UTF-8 (protobuf drops a string that is
// not).
//
//   auto task = TaskFromWire(std::move(*request.mutable_task()), &functions);
//   if (auto* invalid = std::get_if<InvalidField>(&task)) return ToStatus(*invalid);
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include <grpcpp/support/status.h>

#include "gild/v1/executor.pb.h"
#include "gild/v1/monitor.pb.h"
#include "server/scheduler/scheduler.h"
#include "server/service/function_store.h"
#include "server/task/outcome.h"
#include "server/task/snapshot.h"
#include "server/task/task.h"
#include "server/task/verdict.h"

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

// A task with a new id and without a serial; the function it calls is looked up in the store.
std::variant<Task, InvalidField, MissingFunction> TaskFromWire(v1::Task&& wire, FunctionStore* functions,
                                                               int64_t memory_bytes_max = kMemoryBytesMax);

v1::Tag ToWire(Tag tag);
v1::Lane ToWire(LaneKind lane);
v1::Ending ToWire(Ending ending);
v1::InterpreterStats::State ToWire(InterpreterState state);
v1::Verdict::Kind ToWire(Verdict::Kind kind);
void ToWire(const Verdict& verdict, v1::Verdict* wire);
void ToWire(const Task& task, Outcome&& outcome, v1::Outcome* wire);
v1::Stats ToWire(const ServerSnapshot& snapshot);
v1::Info ToWire(const ServerInfo& info, const std::vector<LaneSnapshot>& lanes, int64_t queue_capacity);

// All carry a google.rpc.Status in their details, as executor.proto says.
grpc::Status ToStatus(const InvalidField& invalid);
grpc::Status ToStatus(const MissingFunction& missing);
grpc::Status ToStatus(const UnknownTask& unknown);
grpc::Status ToStatus(const Refusal& refusal, LaneKind lane);

}  // namespace gild
