// TaskRunner runs one task on the calling thread and says how its code ended: the first of the three places where an
// ending is made.
//
//   TaskRunner runner(bootstrap, alone);
//   std::variant<TaskEnded, Coroutine> end = runner.Run(start, task, thread_state);
//
// What returns a coroutine has not ended: among many threads it goes on on the event loop (event_loop.h), which comes
// back for Execute and End.
//
// Thread rule: Run may be called from several threads at once; the caller does not have the lock. Everything from
// taking the lock to the last figure is the task's own time: run = wait + hold + time off the lock.
#pragma once

#include <memory>
#include <optional>
#include <variant>

#include "gild/internal/frames.pb.h"
#include "server/interpreter/function_cache.h"
#include "server/interpreter/python.h"
#include "server/interpreter/task_state.h"

namespace gild {

// A task whose code has returned a coroutine, of which nothing has run yet. To be let go of with the lock only.
struct Coroutine {
  PyRef name_space;
  PyRef coroutine;
  int64_t begin_ns = 0;
  int64_t cpu_ns = 0;  // that it has used so far
};

// What the row says of the lock.
void SetLockUsage(const Row& row, internal::TaskEnded* ended);

class TaskRunner {
 public:
  // `alone`: one task at a time, on the main thread: it may have memory and CPU limits, and the process's figures are
  // its own.
  TaskRunner(PyRef bootstrap, bool alone) : bootstrap_(std::move(bootstrap)), alone_(alone) {}

  // What the task calls (TaskState::function). Call for each StartTask in the order in which they come.
  std::shared_ptr<CachedFunction> Learn(internal::StartTask* start) { return functions_.Learn(start); }
  // `thread_state` belongs to the calling thread. Of a task nothing stays in it: no thread-local values, no context
  // variables. Alone, a coroutine is run to its end.
  std::variant<internal::TaskEnded, Coroutine> Run(const internal::StartTask& start, std::shared_ptr<TaskState> task,
                                                   PyThreadState* thread_state);

  // ---- the steps of Run, for tasks on the event loop; all REQUIRE the lock ----

  // Says in its row that the task has begun.
  void Begin(const internal::StartTask& start, const TaskState& task, int64_t begin_ns);
  // A fresh `__main__`; null with an exception set.
  PyRef NewNamespace(const internal::StartTask& start);
  // What the code, or the function that it names, returned; null with an exception set.
  PyRef Execute(const internal::StartTask& start, CachedFunction* function, PyObject* name_space);
  // How the code ended: with `value`, or with `error`. One of them is null.
  void Conclude(const internal::StartTask& start, const TaskState& task, PyRef value, PyRef error,
                internal::TaskEnded* ended);
  // A stop that was raised in the calling thread too late must not meet the next task, or the next step.
  void DropStop();
  // Streams that the task has put in place of its own.
  void ForgetStreams(uint64_t serial);

  // Raises TaskStopped in every thread of the task. REQUIRES: the lock.
  void RaiseStop(TaskState* task);
  // And in this one.
  void RaiseStopIn(uint64_t ident);

 private:
  PyRef ExecuteSource(const internal::StartTask& start, PyObject* name_space);
  PyRef CallFunction(const internal::StartTask& start, CachedFunction* function);
  // Takes the value into the frame; an exception, where it cannot be encoded.
  PyRef Encode(const internal::StartTask& start, PyObject* value, internal::TaskEnded* ended);
  // Beginning tasks come to the lock one by one: a hundred at once would wake each other in vain all the time.
  void TakeLockInTurn(PyThreadState* thread_state, int64_t now_ns) ABSL_LOCKS_EXCLUDED(turn_);
  // Of a task nothing stays in the calling thread.
  void ForgetThread();
  // Of a SystemExit; empty for any other exception.
  std::optional<int> ExitCodeOf(PyObject* error);
  void JoinThreads(TaskState* task);
  // The calling thread is done with a task that goes on without it.
  void Suspend(int64_t cpu_before_ns, Coroutine* coroutine);
  void Classify(const internal::StartTask& start, const TaskState& task, PyRef error, internal::TaskEnded* ended);

  PyRef bootstrap_;
  bool alone_;
  FunctionCache functions_;
  absl::Mutex turn_;
};

}  // namespace gild
