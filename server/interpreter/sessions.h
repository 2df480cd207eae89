// Sessions: what the tasks of each session share, under the server's number of it.
//
// How long it is kept the server decides (scheduler/sessions). To let go of it takes the interpreter's lock and runs
// finalizers, which are user code. So a thread of its own does it, one session after the other; a second watches over
// it without the lock: finalizers that take longer than kSessionEndNs are stopped as a task is, and when they do not
// heed that for kStopGraceNs, the process ends. Neither the tasks nor the thread that receives frames wait for any of
// it.
//
// Thread rule: Of and Forget belong to the thread that receives frames, and need no lock. One for a process, never
// destroyed; its threads start with the first Forget. The process ends when the channel is lost.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <unordered_map>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "gild/internal/frames.pb.h"
#include "server/interpreter/python.h"
#include "server/interpreter/stopper.h"
#include "server/interpreter/task_runner.h"
#include "server/interpreter/task_state.h"
#include "server/ipc/blocking_channel.h"

namespace gild {

class Sessions {
 public:
  Sessions(BlockingChannel* channel, TaskRunner* runner, Stopper* stopper, PyInterpreterState* interpreter)
      : channel_(channel), runner_(runner), stopper_(stopper), interpreter_(interpreter) {}
  Sessions(const Sessions&) = delete;
  Sessions& operator=(const Sessions&) = delete;

  // StartTask.session; null for 0.
  std::shared_ptr<Session> Of(uint64_t number);
  void Forget(const internal::ForgetSessions& order) ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  [[noreturn]] void LetGoLoop() ABSL_LOCKS_EXCLUDED(mutex_);
  [[noreturn]] void WatchLoop() ABSL_LOCKS_EXCLUDED(mutex_);
  // Whether the finalizers come to their end in so long. Waits for the lock, which are its neighbours' doing, do not
  // count.
  bool EndsIn(int64_t time_ns, const TaskState& task) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  BlockingChannel* const channel_;
  TaskRunner* const runner_;
  Stopper* const stopper_;
  PyInterpreterState* const interpreter_;

  std::unordered_map<uint64_t, std::shared_ptr<Session>> sessions_;  // the receiving thread's

  absl::Mutex mutex_;
  bool started_ ABSL_GUARDED_BY(mutex_) = false;
  // Bounded by the server, which waits for SessionsForgotten.
  std::deque<std::pair<uint64_t, std::shared_ptr<Session>>> forgotten_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<TaskState> ending_ ABSL_GUARDED_BY(mutex_);  // whose finalizers may run now; null: nobody's
};

}  // namespace gild
