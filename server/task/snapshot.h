// What the server looks like at one moment: read by GetStats and by /metrics, so that both say the same.
//
// Plain values, copied out from under the locks of those who own them (scheduler, lanes); none needs an interpreter's
// lock. Counters grow from the server's start.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "server/base/core_split.h"
#include "server/base/cores.h"
#include "server/task/capacity.h"
#include "server/task/outcome.h"

namespace gild {

enum class InterpreterState { kStarting, kReady, kStopping, kBackingOff };
const char* Name(InterpreterState state);  // "starting" "ready" "stopping" "backing_off"

std::string SlotName(LaneKind lane, int slot);  // "io-0"

struct HolderSnapshot {
  std::string task_id;  // empty: the interpreter itself, between tasks
  std::string task_name;
  int64_t held_ns = 0;
};

// Layers of isolation (server/sandbox/layer.h), by name.
struct IsolationSnapshot {
  std::vector<std::string> in_force;           // everywhere in the lane
  std::map<std::string, std::string> missing;  // somewhere: why
};

struct SlotSnapshot {
  std::string slot;  // "io-0"
  LaneKind lane = LaneKind::kIo;
  InterpreterState state = InterpreterState::kStarting;
  uint64_t generation = 0;
  int pid = 0;
  int core = -1;  // that it is pinned to; -1: none
  int running = 0;
  int on_loop = 0;   // of `running`
  int capacity = 0;  // threads
  std::optional<LockUsage> lock;
  int waiters = 0;  // means nothing without `lock`, nor does `holder`
  std::optional<HolderSnapshot> holder;
  std::map<std::string, uint64_t> restarts;  // by cause, those that have not been seen too
  std::optional<int64_t> replaced_in_ns;     // the latest time; empty: never
  std::map<std::string, uint64_t> denied;    // system calls that its tasks were refused, by name
};

struct LaneSnapshot {
  LaneKind lane = LaneKind::kIo;
  bool serving = false;
  int interpreters = 0;
  int threads_per_interpreter = 0;
  int queued = 0;
  int64_t queued_bytes = 0;
  int running = 0;
  std::map<Ending, uint64_t> endings;
};

struct SessionSnapshot {
  std::string session;
  std::string slot;                // that has its globals; empty: none yet
  uint64_t tasks = 0;              // accepted since it began
  int active = 0;                  // of them not yet ended
  std::optional<int64_t> idle_ns;  // empty: it is active
};

struct SessionsSnapshot {
  std::vector<SessionSnapshot> live;  // the last used first
  // Forgotten so far, by cause.
  uint64_t forgotten_idle = 0;
  uint64_t forgotten_full = 0;
};

struct ServerSnapshot {
  int64_t uptime_ns = 0;
  bool draining = false;
  std::vector<LaneSnapshot> lanes;
  std::vector<SlotSnapshot> slots;
  SessionsSnapshot sessions;
  std::vector<CoreTimes> core_times;  // empty: unavailable
  std::vector<CoreSplit> cores;       // empty: unavailable
  bool core_split_exact = false;      // else: how the I/O lane and the server share the cores is an estimate
  std::optional<int64_t> lost_parallelism_ns;
};

// What the server is: made once, when the zygote has reported.
struct ServerInfo {
  std::string version;
  std::string python_version;
  bool meter_available = false;
  std::string meter_detail;
  std::map<LaneKind, IsolationSnapshot> isolation;
  std::string isolation_level;  // of both lanes: "none" "user" "full"
  std::vector<std::string> preloaded;
  std::vector<int> cores;
  bool core_split_exact = false;
  std::string core_split_detail;
  int64_t task_memory_bytes_max = kMemoryBytesMax;  // the ceiling of limits.memory_bytes
};

}  // namespace gild
