// Stopper makes tasks of a many-threaded interpreter stop: TaskStopped is raised in their threads, and a signal tears
// them out of blocking calls, again and again until they have ended. Those on the event loop are cancelled there, too.
//
// Two threads, because raising needs the lock and signalling must not: a task that waits for something while another
// holds the lock is still torn out of its wait. They start with the first stop. What does not end, the server replaces.
#pragma once

#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "server/interpreter/event_loop.h"
#include "server/interpreter/task_runner.h"
#include "server/interpreter/task_state.h"

namespace gild {

class Stopper {
 public:
  Stopper(TaskRunner* runner, EventLoop* loop) : runner_(runner), loop_(loop) {}

  // Any thread, without the lock. `task->stop` is set here.
  void Stop(std::shared_ptr<TaskState> task) ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  void SignalLoop() ABSL_LOCKS_EXCLUDED(mutex_);
  void Signal(TaskState* task);
  void RaiseLoop() ABSL_LOCKS_EXCLUDED(mutex_);
  // Those that have not ended; waits until there is one.
  std::vector<std::shared_ptr<TaskState>> Stopping() ABSL_LOCKS_EXCLUDED(mutex_);

  TaskRunner* const runner_;
  EventLoop* const loop_;
  absl::Mutex mutex_;
  bool started_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::shared_ptr<TaskState>> stopping_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace gild
