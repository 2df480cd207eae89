// SlotProcess is the server's view of one slot's init: it starts an interpreter, kills it, and tells how it ended.
// SlotFactory makes them; the zygote is one, a test may be another.
//
// Thread rule: everything, and every callback, on the poller's thread. Whoever asked for a slot owns its SlotProcess;
// destroying it (also from one of its own callbacks) ends the init and its interpreter, and no callback follows.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "server/base/unique_fd.h"
#include "server/sandbox/layer.h"
#include "server/task/capacity.h"
#include "server/task/task.h"

namespace gild {

struct SlotOrder {
  std::string name;  // "io-0"; shows in `ps`
  LaneKind lane = LaneKind::kCpu;
  bool network = false;                   // it keeps the machine's
  bool subprocess = false;                // its tasks may start processes
  uint32_t uid = 0;                       // of the machine, the slot's own; 0: the server's
  std::string scratch;                    // working directory of tasks where it has no files of its own; exists
  int64_t scratch_bytes = kScratchBytes;  // else, of the file system that is its working directory
  int64_t scratch_inodes = kScratchInodes;
  // CPU lane: after so many tasks, or with so much more memory than at its start, an interpreter is spent; 0: never.
  int64_t tasks_max = 0;
  int64_t growth_bytes_max = 0;
  int core = -1;  // -1: any allowed core
  int nice = 0;
  std::string group;                 // control group of its lane, a folder; empty: that of the zygote
  std::map<Layer, OwnGroup> groups;  // control groups of its own
  // With less isolation it is gone, and says what it lacks.
  IsolationLevel required = IsolationLevel::kNone;
};

struct InterpreterEnd {
  uint64_t generation = 0;
  int wait_status = 0;  // as waitpid(2) gives it
  int64_t user_cpu_ns = 0;
  int64_t system_cpu_ns = 0;
  int64_t peak_memory_bytes = 0;
  // The kernel has killed so many processes of its slot for want of memory since it was started, with so much allowed.
  uint64_t oom_kills = 0;
  int64_t memory_allowed_bytes = 0;
};

// "exited with code 1", "killed by signal 9 (SIGKILL)"
std::string DescribeWaitStatus(int wait_status);

class SlotProcess {
 public:
  struct Events {
    // The init takes orders.
    std::function<void()> on_ready;
    // The interpreter's process exists (0), or could not be made (errno; no on_ended follows).
    std::function<void(uint64_t generation, int error_number)> on_started;
    // It was reaped. What it had started is ended before the next interpreter starts.
    std::function<void(const InterpreterEnd& end)> on_ended;
    // System calls that its interpreter was refused, by name, since the last time.
    std::function<void(const std::map<std::string, uint64_t>& calls)> on_denied;
    // The slot could not be made, or its init is gone and its interpreter with it. Once; nothing follows.
    std::function<void(absl::Status reason)> on_gone;
  };

  virtual ~SlotProcess() = default;

  // `alone`: one task at a time, on its main thread. REQUIRES: on_ready was called, and the last interpreter has ended.
  virtual void StartInterpreter(uint64_t generation, bool alone, UniqueFd channel_end, UniqueFd page) = 0;
  // Nothing happens when that interpreter is gone already.
  virtual void KillInterpreter(uint64_t generation, int signal) = 0;
};

class SlotFactory {
 public:
  virtual ~SlotFactory() = default;

  // No callback is called before it returns.
  virtual std::unique_ptr<SlotProcess> MakeSlot(const SlotOrder& order, SlotProcess::Events events) = 0;
};

}  // namespace gild
