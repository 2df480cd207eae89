// Outcome: how a task ended: one ending of a closed list, plus value, output, usage and evidence.
//
// An outcome is made in exactly three places: the task runner in the child (the code ended), InterpreterHandle in lane/
// (the child ended or the task was stopped), the scheduler (it never started). Every accepted task gets exactly one.
// An empty optional means unavailable, never zero.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "server/task/task.h"

namespace gild {

enum class Ending {
  kSucceeded,
  kRaised,
  kExited,
  kCrashed,
  kTimedOut,
  kCpuLimit,
  kMemoryLimit,
  kOutputLimit,
  kResultLimit,
  kCancelled,
  kExpired,
  kInterpreterLost,
  kProtocolError,
  kProcessLimit,
  kScratchLimit,
};

inline constexpr std::array kEndings = {
    Ending::kSucceeded, Ending::kRaised,          Ending::kExited,        Ending::kCrashed,      Ending::kTimedOut,
    Ending::kCpuLimit,  Ending::kMemoryLimit,     Ending::kOutputLimit,   Ending::kResultLimit,  Ending::kCancelled,
    Ending::kExpired,   Ending::kInterpreterLost, Ending::kProtocolError, Ending::kProcessLimit, Ending::kScratchLimit,
};

const char* Name(Ending ending);  // "SUCCEEDED", as in the proto

// What the lock cost: sums over every take and release.
struct LockUsage {
  int64_t wait_ns = 0;
  int64_t hold_ns = 0;
  uint64_t takes = 0;
  uint64_t contended_takes = 0;
  uint64_t forced_releases = 0;
  int64_t longest_hold_ns = 0;
};

struct Usage {
  int64_t queue_ns = 0;
  std::optional<int64_t> dispatch_ns;
  std::optional<int64_t> run_ns;
  std::optional<int64_t> cpu_ns;
  std::optional<int64_t> cpu_wait_ns;
  std::optional<int64_t> loop_wait_ns;  // tasks on an event loop only
  std::optional<int64_t> peak_memory_bytes;
  std::optional<int> core;
  std::string interpreter;  // "cpu-0#1": slot, generation; empty when it never got one
};

struct Error {
  std::string type;
  std::string message;    // valid UTF-8
  std::string traceback;  // valid UTF-8
  bool before_start = false;
  std::string pickled;  // of a function's, where it can be
};

struct Evidence {
  std::string detail;
  std::optional<int> exit_code;
  std::optional<int> signal;
  // "wall" "queue" "cpu" "memory" "processes" "scratch" "scratch_files" "output" "result"; empty: none
  std::string limit;
  std::optional<int64_t> allowed;
  std::optional<int64_t> used;
  bool safe_to_retry = false;

  bool operator==(const Evidence&) const = default;
};

// How long one function itself held the lock.
struct FunctionHold {
  std::string function;  // valid UTF-8, as is `file`
  std::string file;
  uint32_t line = 0;
  int64_t hold_ns = 0;
  uint64_t calls = 0;
};

// What a task said last with gild.progress(done, total).
struct Progress {
  uint64_t done = 0;
  uint64_t total = 0;  // 0: not known

  bool operator==(const Progress&) const = default;
};

struct Outcome {
  Ending ending = Ending::kInterpreterLost;
  bool started = false;  // it was handed to an interpreter
  Value result;
  std::string out;
  std::string err;
  bool out_truncated = false;
  bool err_truncated = false;
  std::optional<Error> error;
  Evidence evidence;
  Usage usage;
  std::optional<LockUsage> lock;
  std::optional<Progress> progress;        // for those who watch
  std::vector<FunctionHold> lock_profile;  // the longest first
  std::vector<File> files;
  std::vector<std::string> warnings;
};

struct EndedTask {
  uint64_t serial = 0;
  Outcome outcome;
};

}  // namespace gild
