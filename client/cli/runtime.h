// Runtime: another Python than the server's, which the user named: what it is, and what plain threads of it make of a
// workload.
//
// Blocks; any thread. A run is a process of its own, without a shell, bounded in time and output, and it is believed
// nothing that does not make sense. Any Python from 2.7 on will do: CPython with and without its lock, PyPy, Jython,
// IronPython.
//
//   Runtime runtime;
//   Failure failure;
//   if (!AskRuntime("/opt/python3.13t", absl::Seconds(10), &runtime, &failure)) return Tell(failure, terminal);
//   RuntimeRun run;
//   if (!RunInThreads(runtime, primes, 8, absl::Minutes(2), &run, &failure)) return Tell(failure, terminal);
#pragma once

#include <optional>
#include <string>

#include "absl/time/time.h"
#include "client/cli/demo_workload.h"
#include "client/cli/failure.h"

namespace gild::cli {

struct Runtime {
  std::string path;
  std::string implementation;  // "CPython"
  std::string version;         // "3.13.0"
  bool free_threaded = false;  // built so; an extension may still have switched the lock on

  // "3.13t", "Jython 2.7".
  std::string Name() const;
};

struct RuntimeRun {
  // From the first thread's start to the last one's end, by its own clock.
  absl::Duration wall;
  // Threads took turns, in the end. Absent: it does not say, and nobody knows.
  std::optional<bool> lock;
  // Why it cannot do this work: a module it has not got. Then there is no wall time.
  std::string missing;
};

// What it says it is. A failure is the user's: a path of something else.
bool AskRuntime(const std::string& path, absl::Duration time_most, Runtime* runtime, Failure* failure);

// All tasks of a workload, in so many threads, after one turn to warm up; what they return is checked.
// REQUIRES: workload.anywhere, threads > 0
bool RunInThreads(const Runtime& runtime, const Workload& workload, size_t threads, absl::Duration time_most,
                  RuntimeRun* run, Failure* failure);

}  // namespace gild::cli
