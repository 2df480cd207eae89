// A client's task (gild.v1) becomes the domain's (server/task): everything is checked, and every limit ends up within
// its ceiling, so no floor beneath checks again. Pure, any thread.
//
//   auto task = TaskFromWire(std::move(*request.mutable_task()), &functions);
//   if (auto* invalid = std::get_if<InvalidField>(&task)) return ToStatus(*invalid);
#pragma once

#include <cstdint>
#include <variant>

#include "gild/v1/task.pb.h"
#include "server/service/function_store.h"
#include "server/service/refusals.h"
#include "server/task/task.h"

namespace gild {

// A task with a new id and without a serial; the function it calls is looked up in the store.
std::variant<Task, InvalidField, MissingFunction> TaskFromWire(v1::Task&& wire, FunctionStore* functions,
                                                               int64_t memory_bytes_max = kMemoryBytesMax);

}  // namespace gild
