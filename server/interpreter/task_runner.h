// TaskRunner runs one task on the calling thread and says how its code ended: the first of the three places where an
// ending is made.
//
//   TaskRunner runner(bootstrap, alone);
//   std::variant<TaskEnded, Coroutine> end = runner.Run(start, task, thread_state);
//
// What returns a coroutine has not ended: among many threads it goes on on the event loop (event_loop.h), which comes
// back for Execute and End. But a task with a folder of its own (task_folder.h) stays on its thread, whose working
// directory that is, until its coroutine has ended.
//
// Thread rule: Run may be called from several threads at once; the caller does not have the lock. Everything from
// taking the lock to the last figure is the task's own time: run = wait + hold + time off the lock.
#pragma once

#include <signal.h>

#include <functional>
#include <memory>
#include <optional>
#include <variant>

#include "gild/internal/frames.pb.h"
#include "server/base/lru_map.h"
#include "server/interpreter/environment.h"
#include "server/interpreter/function_cache.h"
#include "server/interpreter/inheritance.h"
#include "server/interpreter/peak_memory.h"
#include "server/interpreter/python.h"
#include "server/interpreter/residue.h"
#include "server/interpreter/task_folder.h"
#include "server/interpreter/task_state.h"

namespace gild {

// A task whose code has returned a coroutine, of which nothing has run yet. To be let go of with the lock only.
struct Coroutine {
  PyRef name_space;
  PyRef coroutine;
  int64_t begin_ns = 0;
  int64_t cpu_ns = 0;  // that it has used so far
};

// What the tasks of one session share; kept by Sessions (sessions.h). Touched, and let go of, with the lock only.
struct Session {
  PyRef name_space;           // null until its first task begins
  bool threads_left = false;  // by its tasks, and they may still run in the name space
  FunctionCache functions;    // takes care of itself, but for the end
};

// It has files, or collects some.
bool WantsFolder(const internal::StartTask& start);

// What the row says of the lock.
void SetLockUsage(const Row& row, internal::TaskEnded* ended);

class TaskRunner {
 public:
  struct Options {
    // One task at a time, on the main thread: it may have memory and CPU limits, and the process's figures are its own.
    bool alone = true;
    bool own_scratch = false;  // the scratch is a file system of its own
    bool subprocess = false;   // tasks may start processes
    // Alone: after so many tasks, or with so much more memory than now, the process is spent; 0: never.
    uint64_t tasks_max = 0;
    int64_t growth_bytes_max = 0;
  };
  // REQUIRES: the working directory is the slot's scratch folder, and one thread.
  TaskRunner(std::unique_ptr<Inheritance> inheritance, Options options);

  // What the task calls (TaskState::function). Call for each StartTask in the order in which they come; `session`:
  // null, or the task's.
  std::shared_ptr<CachedFunction> Learn(internal::StartTask* start, Session* session) {
    return (session == nullptr ? functions_ : session->functions).Learn(start);
  }
  // `thread_state` belongs to the calling thread. Of a task nothing stays in it: no thread-local values, no context
  // variables. Alone, a coroutine is run to its end.
  std::variant<internal::TaskEnded, Coroutine> Run(const internal::StartTask& start, std::shared_ptr<TaskState> task,
                                                   PyThreadState* thread_state);
  // The calling thread will run tasks, beside others. It does not have the lock.
  void AdoptThread(PyThreadState* thread_state);
  // Ends the session on the calling thread. Its finalizers run as the code of `task`, which can be stopped, between
  // finalizing(true) and finalizing(false), which are called with the lock.
  void LetGo(std::shared_ptr<Session> session, std::shared_ptr<TaskState> task, PyThreadState* thread_state,
             const std::function<void(bool begins)>& finalizing);

  // ---- the steps of Run, for tasks on the event loop; all REQUIRE the lock ----

  // Says in its row that the task has begun.
  void Begin(const internal::StartTask& start, const TaskState& task, int64_t begin_ns);
  // Its session's `__main__`, or a fresh one; null with an exception set.
  PyRef EnterNamespace(const internal::StartTask& start, const TaskState& task);
  // What the code, or the function that it names, returned; null with an exception set.
  PyRef Execute(const internal::StartTask& start, const TaskState& task, PyObject* name_space);
  // How the code ended: with `value`, or with `error`. One of them is null.
  void Conclude(const internal::StartTask& start, const TaskState& task, PyRef value, PyRef error,
                internal::TaskEnded* ended);
  // What the task alone had is gone, unless threads of it may still run there.
  void LeaveNamespace(const TaskState& task, PyObject* name_space);
  // A stop that was raised in the calling thread too late must not meet the next task, or the next step.
  void DropStop();
  // Streams that the task has put in place of its own.
  void ForgetStreams(uint64_t serial);

  // Raises TaskStopped in every thread of the task. REQUIRES: the lock.
  void RaiseStop(TaskState* task);
  // And in this one.
  void RaiseStopIn(uint64_t ident);

 private:
  // In a folder of its own. Making it, collecting from it and removing it are not the task's time.
  internal::TaskEnded RunInFolder(const internal::StartTask& start, std::shared_ptr<TaskState> task,
                                  PyThreadState* thread_state);
  // `placed`: an error is what the task ends with, in place of its code.
  std::variant<internal::TaskEnded, Coroutine> RunCode(const internal::StartTask& start,
                                                       std::shared_ptr<TaskState> task, PyThreadState* thread_state,
                                                       const absl::Status& placed);
  PyRef ExecuteSource(const internal::StartTask& start, PyObject* name_space);
  // What the body compiles to: to compile one costs more than to run a small task.
  PyRef CodeOf(const internal::StartTask& start);
  PyRef CallFunction(const internal::StartTask& start, const TaskState& task);
  // Takes the value into the frame; an exception, where it cannot be encoded.
  PyRef Encode(const internal::StartTask& start, PyObject* value, internal::TaskEnded* ended);
  // Beginning tasks come to the lock one by one: a hundred at once would wake each other in vain all the time.
  void TakeLockInTurn(PyThreadState* thread_state, int64_t now_ns) ABSL_LOCKS_EXCLUDED(turn_);
  // Of a task nothing stays in the calling thread.
  void ForgetThread();
  // Of signals, for the calling thread; what is pending is dropped.
  void RestoreMask();
  // Of a SystemExit; empty for any other exception.
  std::optional<int> ExitCodeOf(PyObject* error);
  void JoinThreads(TaskState* task);
  // False, with TaskStopped set: it was stopped while it waited for a thread, or for the lock, and nothing of it runs.
  bool MayBegin(const TaskState& task);
  // The calling thread is done with a task that goes on without it.
  void Suspend(int64_t cpu_before_ns, Coroutine* coroutine);
  // Streams that the task has put in place of its own may hold what it has printed. What that raised; null: nothing.
  PyRef FlushStreams(uint64_t serial);
  void Classify(const internal::StartTask& start, const TaskState& task, PyRef error, internal::TaskEnded* ended);
  void AddPickled(PyObject* error, internal::TaskEnded* ended);
  const std::unique_ptr<Inheritance> inheritance_;
  const Options options_;
  const Scratch scratch_;
  sigset_t mask_{};                          // of signals, as it is at first
  std::optional<Residue> residue_;           // alone only
  std::optional<Environment> environment_;   // likewise
  uint64_t tasks_ = 0;                       // that have ended; likewise
  PeakMemory peak_memory_;                   // likewise
  LruMap<PyRef> codes_{kCompiledBodiesMax};  // by file name and source; with the lock only
  FunctionCache functions_;
  absl::Mutex turn_;
};

}  // namespace gild
