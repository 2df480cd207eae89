// EventLoop runs the tasks whose code returned a coroutine, thousands of them on one thread; asyncio does it, in
// event_loop.py.
//
// Who comes here: a worker thread finds out that a body returns a coroutine, and hands it over (Adopt). A body that
// came to that quickly is known from then on, and the next task with it comes straight here (Takes, Start), without a
// thread of its own.
//
// The ledger is kept step by step: the loop's thread works for a task while a callback of that task runs. A step that
// waits or computes keeps all the others waiting, which their `loop_wait` says.
//
// Thread rule: Takes, Start, Adopt from any thread without the lock; RaiseStop with the lock; SignalStep from any
// thread. One for a process, made once, never destroyed. The thread starts with the first task. A loop that dies ends
// the process.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <unordered_set>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "gild/internal/frames.pb.h"
#include "server/interpreter/process_limits.h"
#include "server/interpreter/python.h"
#include "server/interpreter/task_runner.h"
#include "server/interpreter/task_state.h"
#include "server/interpreter/thread_times.h"
#include "server/ipc/blocking_channel.h"

namespace gild {

class EventLoop {
 public:
  // `forget` is called with the serial before a task's end is sent. The process ends when the channel is lost.
  EventLoop(BlockingChannel* channel, TaskRunner* runner, PyRef module, std::function<void(uint64_t serial)> forget);
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  // Bodies like this one have returned coroutines, quickly. Never a task with a folder of its own.
  bool Takes(const internal::StartTask& start) ABSL_LOCKS_EXCLUDED(mutex_);
  void Start(internal::StartTask start, std::shared_ptr<TaskState> task) ABSL_LOCKS_EXCLUDED(mutex_);
  // A worker's task goes on here.
  void Adopt(internal::StartTask start, std::shared_ptr<TaskState> task, Coroutine coroutine)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // Cancels it through the loop; from the second time on raises TaskStopped, too, where its step is what the loop is
  // at.
  void RaiseStop(TaskState* task);
  // Tears its step out of a blocking call.
  void SignalStep(TaskState* task, int signal);

  // ---- for event_loop.py, by way of the module _gild_loop; on the loop's thread, with the lock ----

  struct LoopTask {
    internal::StartTask start;
    std::shared_ptr<TaskState> task;
    Coroutine coroutine;      // its name space is made here, for a task that did not come from a worker
    int64_t step_cpu_ns = 0;  // the thread's, when the step that runs now began
    int64_t loop_wait_ns = 0;
  };

  // Those that came since the last call; they have begun.
  std::vector<std::unique_ptr<LoopTask>> Take() ABSL_LOCKS_EXCLUDED(mutex_);
  // What its code returned.
  PyRef Execute(LoopTask* task);
  // Calls run(handle) as a step of the task. What got out of it; null: nothing.
  PyRef RunStep(LoopTask* task, int64_t ready_ns, PyObject* run, PyObject* handle);
  // True: SendEnded is to be called soon.
  bool Ended(LoopTask* task, PyRef value, PyRef error);
  void SendEnded();

 private:
  void Post(std::unique_ptr<LoopTask> task) ABSL_LOCKS_EXCLUDED(mutex_);
  void Send(absl::Span<const internal::FromInterpreter> frames);
  [[noreturn]] void Loop();
  void StartStep(LoopTask* task);
  // When it was over.
  int64_t FinishStep(LoopTask* task);

  BlockingChannel* const channel_;
  TaskRunner* const runner_;
  const PyRef module_;
  const std::function<void(uint64_t serial)> forget_;
  const int bell_;

  absl::Mutex mutex_;
  bool started_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::unique_ptr<LoopTask>> inbox_ ABSL_GUARDED_BY(mutex_);
  std::unordered_set<size_t> bodies_ ABSL_GUARDED_BY(mutex_);  // fingerprints: a mistake costs time, nothing else

  // The loop's thread.
  std::atomic<uint64_t> thread_{0};  // as threading.get_ident says it
  std::atomic<pid_t> tid_{0};
  std::atomic<TaskState*> step_{nullptr};  // whose step it is at
  // Its waits for a core are all its tasks', and no one's.
  ThreadTimes times_{{.cpu_ns = ThreadCpuNs, .cpu_wait_ns = [] { return std::optional<int64_t>(); }}};
  std::vector<internal::FromInterpreter> ended_;
};

// For PyImport_AppendInittab.
PyObject* MakeEventLoopModule();

}  // namespace gild
