// Glimpse: what a task has printed and told of itself while it runs, after what its watcher has been told already.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "server/task/outcome.h"

namespace gild {

// How much of a task's output somebody has.
struct OutputPoint {
  uint64_t out_bytes = 0;
  uint64_t err_bytes = 0;
};

// kWatchReplyBytesMax of output at most, stdout first.
struct Glimpse {
  std::string out;
  std::string err;
  std::optional<Progress> progress;  // the latest, new or not; empty: never told
};

}  // namespace gild
