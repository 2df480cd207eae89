// SlotKind: what a task may ask of its interpreter that an interpreter is, or is not, from its start on. A lane has
// slots of each kind that it serves.
#pragma once

#include <cstddef>

#include "server/task/task.h"

namespace gild {

struct SlotKind {
  bool subprocess = false;  // its tasks may start processes
  bool fresh = false;       // it runs one task: nothing before it, nothing after

  static SlotKind Of(const Task& task) { return {.subprocess = task.allow_subprocess, .fresh = task.fresh}; }

  bool operator==(const SlotKind&) const = default;
  // Below kSlotKinds.
  size_t index() const { return static_cast<size_t>(subprocess) + 2 * static_cast<size_t>(fresh); }
};
inline constexpr size_t kSlotKinds = 4;

}  // namespace gild
