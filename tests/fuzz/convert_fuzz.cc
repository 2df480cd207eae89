// A client's task: whatever the message says, it is refused with a field's name, or is a task whose limits are within
// their ceilings.
#include <cstddef>
#include <cstdint>
#include <variant>

#include "gild/v1/task.pb.h"
#include "server/base/errors.h"
#include "server/service/task_from_wire.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  gild::v1::Task wire;
  if (!wire.ParseFromArray(data, static_cast<int>(size))) return 0;
  static auto* const functions = new gild::FunctionStore();
  const auto converted = gild::TaskFromWire(std::move(wire), functions);
  if (const auto* const invalid = std::get_if<gild::InvalidField>(&converted)) {
    GILD_CHECK(!invalid->field.empty() && !invalid->description.empty());
  } else if (const auto* const task = std::get_if<gild::Task>(&converted)) {
    const gild::Limits& limits = task->limits;
    GILD_CHECK(limits.wall_ns > 0 && limits.wall_ns <= gild::kWallNsMax);
    GILD_CHECK(limits.queue_ns > 0 && limits.queue_ns <= gild::kQueueNsMax);
    GILD_CHECK(limits.cpu_ns >= 0 && limits.cpu_ns <= gild::kWallNsMax);
    GILD_CHECK(limits.memory_bytes >= 0 && limits.memory_bytes <= gild::kMemoryBytesMax);
    GILD_CHECK(limits.output_bytes > 0 && limits.output_bytes <= gild::kOutputBytesMax);
    GILD_CHECK(limits.result_bytes > 0 && limits.result_bytes <= gild::kResultBytesMax);
    GILD_CHECK(!task->id.empty() && !task->name.empty() && task->name.size() <= size_t{gild::kNameBytesMax});
    GILD_CHECK(task->files.size() <= size_t{gild::kFilesMax} && task->collect.size() <= size_t{gild::kCollectMax});
    GILD_CHECK(task->arguments.size() <= size_t{gild::kArgumentsMax});
    GILD_CHECK(!task->code.empty() || task->function != nullptr);
  }
  return 0;
}
