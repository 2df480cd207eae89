// Endings: what an interpreter's end, or its word about a task, means for the task. Decisions alone: no descriptor, no
// clock, no lock; the handle (interpreter_handle.h) brings the facts together.
//
// Any thread. The child's word is believed about who brought the interpreter down, and only as far as the true wait
// status agrees; a number always comes from the wait status.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "gild/internal/frames.pb.h"
#include "server/ipc/page_file.h"
#include "server/process/slot_process.h"
#include "server/task/outcome.h"
#include "server/task/task.h"

namespace gild {

// Why a task was asked to stop; the first to ask is the one that counts.
enum class StopReason { kNone, kTimedOut, kCancelled };

// Why the server ended an interpreter.
enum class Retirement {
  kTimedOut,       // its task did, or would not stop when it had
  kCancelled,      // its task was, or would not stop when it had been
  kProtocolError,  // it broke the frame protocol
  kThreadsLeft,    // a task left threads behind in an interpreter of one thread
  kProcessesLeft,  // a task left child processes behind, likewise
  kResidue,        // a task left something else in it, likewise
  kSpent,          // it has run as many tasks, or grown as much, as it may
  kPrincipal,      // another principal's tasks are next
  kCpuLimit,       // its task used more processor time than it may, and its own limit had not ended it
  kRestless,       // it was busy without a task, or did not begin the one it had
  kStartFailed,    // it was not ready in time
  kSlotLost,       // its slot's init went away
  kShutdown,       // the end of a drain
};

// How an interpreter ended.
struct InterpreterDeath {
  std::string interpreter;  // "cpu-0#3"
  bool alone = false;       // it runs one task at a time
  int64_t at_ns = 0;
  std::optional<Retirement> retirement;  // empty: it was not the server's doing
  uint64_t culprit = 0;                  // the serial of the task that would not stop; 0: none
  std::string detail;                    // of kProtocolError, kRestless and kSlotLost: what happened
  std::optional<InterpreterEnd> end;     // empty: nobody reaped it for us
  PageFile::DeathNote note;
  std::string culprit_name;  // who `culprit`, or the note, means, for people; empty: no task in flight
};

// One of its tasks in flight.
struct DoomedTask {
  const Task* task = nullptr;
  StopReason stop = StopReason::kNone;
  int64_t sent_ns = 0;
  std::optional<int64_t> begin_ns;  // empty: it had not begun
  std::optional<int64_t> cpu_ns;    // empty: unavailable
};

// Whom the death is laid to: the task that would not stop, or the one that the note names when the wait status agrees.
// 0: nobody.
uint64_t CulpritOf(const InterpreterDeath& death);

// Sets the ending and its evidence.
void EndDoomed(const DoomedTask& doomed, const InterpreterDeath& death, Outcome* outcome);

// The words that restarts are counted by.
inline constexpr const char* kRestartCauses[] = {
    "cancelled",    "cpu_limit",     "crashed",        "exited",         "killed",       "loop_died",
    "memory_limit", "principal",     "processes_left", "protocol_error", "residue",      "restless",
    "spent",        "session_stuck", "slot_lost",      "start_failed",   "threads_left", "timed_out"};
// One of them.
const char* RestartCause(const InterpreterDeath& death, bool was_ready, const std::optional<Ending>& only_task_ended);

// What is wrong with the child's word about the task; empty: nothing.
std::string ProblemOf(const internal::TaskEnded& ended, const Task& task, StopReason stop);

// Sets ending, evidence, error, result and files from it, and adds its warnings. REQUIRES: ProblemOf is empty.
void EndReported(internal::TaskEnded* ended, const Task& task, StopReason stop, int64_t wall_used_ns, Outcome* outcome);

// So many processes and threads were refused while it ran, of `allowed` in all: that is how it ended, unless it was
// stopped, or crossed another limit.
void EndRefused(uint64_t refused, int64_t allowed, Outcome* outcome);

// "open descriptors, signal handlers": what the child says that the task left; empty: nothing.
std::string ResidueText(const internal::TaskEnded& ended);

}  // namespace gild
