// `gild advise`: a script's tag: it is run alone and in copies, in both lanes, and watched for the functions that hold
// the lock.
//
// Main thread only.
//
//   AdviseOptions options;
//   options.task.file = "primes.py";
//   return Advise(options, "127.0.0.1:50051", terminal);
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/time/time.h"
#include "client/cli/run_command.h"
#include "client/cli/terminal.h"

namespace gild::cli {

inline constexpr uint64_t kAdviseCopiesMax = 1024;
inline constexpr absl::Duration kAdviseSeconds = absl::Seconds(20);

struct AdviseOptions {
  RunOptions task;      // file, entry, arguments, timeout
  uint64_t copies = 0;  // at once; 0: as suits the work
  absl::Duration time = kAdviseSeconds;
  bool profile = true;
  bool json = false;
};

int Advise(const AdviseOptions& options, const std::string& address, const Terminal& terminal);

}  // namespace gild::cli
