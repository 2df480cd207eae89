// Names of the files of a task's folder: relative to it, parts divided by `/`. Everybody who takes such a name from
// somebody else asks here first: the server its clients and its children.
//
// Pure functions, any thread.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace gild {

// What is wrong with a name, or with a pattern of names, in words that follow it; empty: nothing.
std::string ProblemOfPath(absl::string_view path);

// One of them that cannot be where the others are: it is there twice, or a part of it is a file of its own.
struct PathClash {
  size_t index = 0;
  std::string problem;
};
std::optional<PathClash> ClashOf(const std::vector<absl::string_view>& paths);

}  // namespace gild
