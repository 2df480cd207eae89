// RunChild: a program that the user named, run to its end, within bounds of time and output.
//
// Blocks; any thread. No shell comes near it. It has a process group of its own, which is killed when the program has
// ended, or went over a bound; its stdin says nothing, and ends when this process does.
//
//   absl::StatusOr<ChildResult> result = RunChild({"/usr/bin/python3", "-c", "print(1)"}, absl::Seconds(10), 65536);
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace gild::cli {

struct ChildResult {
  // As a shell gives it: the exit code, or 128 + the signal.
  int exit_code = -1;
  std::string out;
  std::string err;
};

// `arguments[0]` is the program's path. An error's message goes on after the program's name: "No such file or
// directory" (NOT_FOUND, it could not be started), "did not end within 10s" (DEADLINE_EXCEEDED), "printed more than
// 64 KiB" (RESOURCE_EXHAUSTED; of stdout, or of stderr).
absl::StatusOr<ChildResult> RunChild(const std::vector<std::string>& arguments, absl::Duration time_most,
                                     size_t output_bytes_most);

}  // namespace gild::cli
