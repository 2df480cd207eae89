// What the child knows of a task while it runs, and which threads work for it.
//
// A thread works for a task because the runner put it to work (WorkFor), because it takes a step of it on an event loop
// (BeginStep), because it makes a call for it in the loop's pool (Helper), or because a thread of that task started it:
// threads inherit their creator's task, so its ledger, its output and its stop reach them (threads.cc defines
// pthread_create).
//
// Thread rule: serial, row and the limits never change; `stop` and `ended` are atomics; the list of threads, and who
// writes to the page, are behind the task's own mutexes, so that tasks never wait for each other here. Shared: a thread
// that outlives its task keeps the state alive.
#pragma once

#include <pthread.h>

#include <atomic>
#include <cstdint>
#include <list>
#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "server/ipc/page.h"
#include "server/meter/ledger.h"

namespace gild {

struct ThreadRecord {
  pthread_t thread;
  pid_t tid;              // 0: created, not running yet
  ThreadLedger* ledger;   // null: as long
  int64_t cpu_before_ns;  // its processor time when it came to the task; 0: the task's runner
};

struct CachedFunction;
struct Session;

struct TaskState {
  uint64_t serial = 0;
  Row* row = nullptr;
  char* out = nullptr;  // its regions of the page
  char* err = nullptr;
  uint64_t output_bytes = 0;
  bool end_on_output_overflow = false;
  // The function that it calls and the session that it belongs to, if any: let go of with the lock, at the task's end.
  std::shared_ptr<CachedFunction> function;
  std::shared_ptr<Session> session;

  std::atomic<bool> stop{false};     // a StopTask came
  std::atomic<bool> on_loop{false};  // its code returned a coroutine, or will
  std::atomic<bool> ended{false};    // set under the lock; output is dropped from here on
  std::atomic<bool> stop_asked_on_loop{false};
  std::atomic<bool> output_exceeded{false};  // it printed too much and had asked to be ended for it
  std::atomic<uint32_t> starts_refused{0};   // threads, by the kernel
  std::atomic<bool> no_space{false};         // a write has met a full file system
  std::atomic<int> other_threads{0};         // that it started, or that help it, and that have not ended
  std::atomic<int64_t> finished_threads_cpu_ns{0};

  // Output and progress are written under the lock; where there is none, this keeps its threads apart.
  absl::Mutex page_mutex;
  absl::Mutex mutex;
  std::list<ThreadRecord> threads ABSL_GUARDED_BY(mutex);  // its runner's first, while it has one
};

// Of the calling thread; null when it works for none. Async-signal-safe.
TaskState* CurrentTask();

// The calling thread works for `task` until StopWorking. REQUIRES: it does not have the lock: what it waits for it from
// here on is the task's wait.
void WorkFor(std::shared_ptr<TaskState> task, int64_t now_ns);
// REQUIRES: the calling thread has the lock. Marks the task as ended; threads of it that go on work for nobody.
// Returns how many those are.
int StopWorking(int64_t now_ns);
// As StopWorking, but the task goes on without this thread.
void HandOver(int64_t now_ns);
// What StopWorking does to the task, for one without a runner.
int EndTask(TaskState* task, int64_t now_ns);

// The calling thread, which belongs to no task, works for `task` until EndStep: what is between is the task's time.
// Nothing is known of the thread in `task->threads`, since steps are many and short. Both REQUIRE that it has the lock.
void BeginStep(std::shared_ptr<TaskState>* task, int64_t now_ns);
void EndStep(int64_t now_ns);
// While it lives, the calling thread belongs to no task: threads that it starts are nobody's.
class OffDuty {
 public:
  OffDuty();
  ~OffDuty();
  OffDuty(const OffDuty&) = delete;
  OffDuty& operator=(const OffDuty&) = delete;

 private:
  TaskState* const task_;
  std::shared_ptr<TaskState>* const owner_;
};
// While it lives, the calling thread, which belongs to no task, is one of the task's other threads. It has the lock
// when it is made and when it goes.
class Helper {
 public:
  explicit Helper(std::shared_ptr<TaskState> task);
  ~Helper();
  Helper(const Helper&) = delete;
  Helper& operator=(const Helper&) = delete;

 private:
  std::shared_ptr<TaskState> task_;
  std::list<ThreadRecord>::iterator record_;
};

// Waits until the task has no other threads, at most until `until_ns`. REQUIRES: the calling thread does not have the
// lock.
void WaitForOtherThreads(TaskState* task, int64_t until_ns);
// Processor time of the threads that the task started, ended or not.
int64_t OtherThreadsCpuNs(TaskState* task);
// As threading.get_ident says it.
std::vector<uint64_t> ThreadIdents(TaskState* task);
// Sends the signal to every thread of the task.
void SignalThreads(TaskState* task, int signal);

// In a process that a task forked: nothing here belongs to it any more.
bool InForkedProcess();

// Call once, before threads start: forked processes detach from the page.
void InstallForkGuard();

}  // namespace gild
