// Small files read and written whole: the kernel's, mostly. Any thread.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace gild {

absl::StatusOr<std::string> ReadFile(const std::string& path);

// Of a text whose lines are `name:\tvalue`, as that of /proc/PID/status is: the value; empty where there is no such
// line.
absl::string_view ValueOf(absl::string_view text, absl::string_view name);

// Of a file that is there, in one write, which is an order to the kernel.
absl::Status WriteFile(const std::string& path, absl::string_view text);

}  // namespace gild
