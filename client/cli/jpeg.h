// The size of a JPEG, read from its frame header: enough to tell a thumbnail from anything else.
//
// A pure function: any thread. It bounds-checks every step, for what it reads came from a task.
//
//   std::optional<JpegSize> size = ReadJpegSize(outcome.result().raw());
#pragma once

#include <optional>

#include "absl/strings/string_view.h"

namespace gild::cli {

struct JpegSize {
  int width;
  int height;
  bool operator==(const JpegSize&) const = default;
};

// Nothing when the bytes do not begin as a JPEG that has a frame.
std::optional<JpegSize> ReadJpegSize(absl::string_view bytes);

}  // namespace gild::cli
