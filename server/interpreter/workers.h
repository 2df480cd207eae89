// Workers: the threads of an I/O interpreter's tasks, each with one of its own while it runs.
//
// Only one of them can have the lock, so it takes one to go from task to task while tasks are small: to wake another
// costs more than a small task. A worker is *engaged* unless it rests, or waits in the middle of its task without the
// lock. A task that comes gets a thread at once when nobody is engaged; else it waits for one who is to come to the
// next; until the last of them waits for the world, and wakes another; or until kPatienceNs have passed in which nobody
// came (Tend): then it wants the lock like all the others. What has ended waits as long, for others to be told of in
// the same write, while there is a next task to take.
//
// Thread rule: Start, TendInNs and Tend by the thread that receives frames; Find from any. Without the
// interpreter's lock. One for a process, made once, never destroyed.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "gild/internal/frames.pb.h"
#include "server/base/clock.h"
#include "server/interpreter/event_loop.h"
#include "server/interpreter/process_settings.h"
#include "server/interpreter/python.h"
#include "server/interpreter/standard_descriptors.h"
#include "server/interpreter/task_runner.h"
#include "server/interpreter/task_state.h"
#include "server/ipc/blocking_channel.h"

namespace gild {

class Workers {
 public:
  // Some ten times as long as the smallest task takes.
  static constexpr int64_t kPatienceNs = 50 * kNsPerUs;
  // Where somebody has come since the last look: to look costs a worker its core for a moment.
  static constexpr int64_t kBusyPatienceNs = 4 * kPatienceNs;

  // `subprocess`: tasks may start processes. What is left of them when no task runs any more ends this interpreter, as
  // nobody knows whose it was.
  Workers(BlockingChannel* channel, TaskRunner* runner, PyRef loop_module, PyInterpreterState* interpreter,
          bool subprocess);
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

  void Start(std::unique_ptr<internal::StartTask> start, std::shared_ptr<TaskState> task) ABSL_LOCKS_EXCLUDED(mutex_);

  // Something waits: call Tend so long from now. 0: nothing does.
  int64_t TendInNs() ABSL_LOCKS_EXCLUDED(mutex_);
  // Gives a waiting task a thread, and tells the server of what has ended.
  void Tend() ABSL_LOCKS_EXCLUDED(mutex_);

  // A task that has been started and has not ended; else null.
  std::shared_ptr<TaskState> Find(uint64_t serial) ABSL_LOCKS_EXCLUDED(mutex_);

  EventLoop* loop() { return &loop_; }

 private:
  struct Job {
    std::unique_ptr<internal::StartTask> start;
    std::shared_ptr<TaskState> task;
  };
  struct Worker {
    absl::CondVar wake;
    bool woken = true;  // for a job, which it takes whoever else is engaged
  };

  [[noreturn]] void Loop();
  // Rests until there is one, and none of the others is engaged.
  Job TakeJob(Worker* self) ABSL_LOCKS_EXCLUDED(mutex_);
  void Ended(internal::TaskEnded ended) ABSL_LOCKS_EXCLUDED(mutex_);
  void Send(const std::string& frames);
  void Forget(uint64_t serial) ABSL_LOCKS_EXCLUDED(mutex_);
  void EndIfProcessesAreLeft() ABSL_LOCKS_EXCLUDED(mutex_);
  // Now that the last has ended: true, and said so, where this process is not fit for another.
  bool NoteWhatIsLeft(internal::TaskEnded* ended) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // False: none rests.
  bool WakeOne() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void AddWorker() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The hooks: the calling thread has let go of the lock in the middle of a task, or has it again.
  static void OnReleased();
  static void OnTaken();

  BlockingChannel* const channel_;
  TaskRunner* const runner_;
  PyInterpreterState* const interpreter_;
  const bool subprocess_;
  const StandardDescriptors standard_descriptors_;
  const ProcessSettings settings_;

  // For the hooks, which lock only where both say so. Who makes a job first counts it and then looks who is engaged;
  // who is engaged no more first says so and then looks for jobs.
  std::atomic<size_t> waiting_tasks_{0};  // jobs_.size()
  std::atomic<int> engaged_{0};

  absl::Mutex mutex_;
  std::deque<Job> jobs_ ABSL_GUARDED_BY(mutex_);  // without a thread yet
  uint64_t taken_ ABSL_GUARDED_BY(mutex_) = 0;    // jobs, ever
  uint64_t taken_when_tended_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<Worker*> idle_ ABSL_GUARDED_BY(mutex_);
  int coming_ ABSL_GUARDED_BY(mutex_) = 0;  // of the engaged: woken for a job, and not there yet
  std::unordered_map<uint64_t, std::shared_ptr<TaskState>> running_ ABSL_GUARDED_BY(mutex_);  // those in jobs_ too
  std::string ended_ ABSL_GUARDED_BY(mutex_);                                                 // frames to send
  bool tended_ ABSL_GUARDED_BY(mutex_) = false;                                               // Tend will be called
  bool displaced_ ABSL_GUARDED_BY(mutex_) = false;  // a standard descriptor leads elsewhere, to what somebody may use

  EventLoop loop_;
};

}  // namespace gild
