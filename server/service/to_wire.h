// The domain (server/task) as clients hear of it (gild.v1). User text goes into bytes fields as it is, and into string
// fields as valid UTF-8 (protobuf drops a string that is not). Pure functions, any thread.
#pragma once

#include <cstdint>
#include <vector>

#include "gild/v1/monitor.pb.h"
#include "gild/v1/task.pb.h"
#include "server/task/outcome.h"
#include "server/task/snapshot.h"
#include "server/task/task.h"
#include "server/task/verdict.h"

namespace gild {

v1::Tag ToWire(Tag tag);
v1::Lane ToWire(LaneKind lane);
v1::Ending ToWire(Ending ending);
v1::InterpreterStats::State ToWire(InterpreterState state);
v1::Verdict::Kind ToWire(Verdict::Kind kind);
void ToWire(const Verdict& verdict, v1::Verdict* wire);
void ToWire(const Task& task, Outcome&& outcome, v1::Outcome* wire);
v1::Stats ToWire(const ServerSnapshot& snapshot);
v1::Info ToWire(const ServerInfo& info, const std::vector<LaneSnapshot>& lanes, int64_t queue_capacity);

}  // namespace gild
