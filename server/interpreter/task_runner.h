// TaskRunner runs one task on the calling thread and says how its code ended: the first of the three places where an
// ending is made.
//
//   TaskRunner runner(bootstrap, alone);
//   TaskEnded ended = runner.Run(start, task, thread_state);
//
// Thread rule: Run may be called from several threads at once; the caller does not have the lock. Everything from
// taking the lock to the last figure is the task's own time: run = wait + hold + time off the lock.
#pragma once

#include <memory>
#include <optional>

#include "gild/internal/frames.pb.h"
#include "server/interpreter/function_cache.h"
#include "server/interpreter/python.h"
#include "server/interpreter/task_state.h"

namespace gild {

class TaskRunner {
 public:
  // `alone`: one task at a time, on the main thread: it may have memory and CPU limits, and the process's figures are
  // its own.
  TaskRunner(PyRef bootstrap, bool alone) : bootstrap_(std::move(bootstrap)), alone_(alone) {}

  // What the task calls (TaskState::function). Call for each StartTask in the order in which they come.
  std::shared_ptr<CachedFunction> Learn(internal::StartTask* start) { return functions_.Learn(start); }
  // `thread_state` belongs to the calling thread. Of a task nothing stays in it: no thread-local values, no context
  // variables.
  internal::TaskEnded Run(const internal::StartTask& start, std::shared_ptr<TaskState> task,
                          PyThreadState* thread_state);

  // Raises TaskStopped in every thread of the task. REQUIRES: the lock.
  void RaiseStop(TaskState* task);

 private:
  // Runs the code; its exception is null when there was none.
  PyRef Execute(const internal::StartTask& start, CachedFunction* function, PyObject* name_space,
                internal::TaskEnded* ended);
  // The result, and null with an exception set when there is none.
  PyRef ExecuteSource(const internal::StartTask& start, PyObject* name_space);
  PyRef CallFunction(const internal::StartTask& start, CachedFunction* function);
  // Beginning tasks come to the lock one by one: a hundred at once would wake each other in vain all the time.
  void TakeLockInTurn(PyThreadState* thread_state, int64_t now_ns) ABSL_LOCKS_EXCLUDED(turn_);
  void ForgetTask(uint64_t serial);
  // Of a SystemExit; empty for any other exception.
  std::optional<int> ExitCodeOf(PyObject* error);
  void JoinThreads(TaskState* task);
  void Classify(const internal::StartTask& start, const TaskState& task, PyRef error, internal::TaskEnded* ended);

  PyRef bootstrap_;
  bool alone_;
  FunctionCache functions_;
  absl::Mutex turn_;
};

}  // namespace gild
