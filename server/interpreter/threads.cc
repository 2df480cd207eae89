#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <list>
#include <memory>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "server/base/clock.h"
#include "server/base/errors.h"
#include "server/interpreter/task_state.h"
#include "server/meter/interposed.h"
#include "server/meter/lock_hooks.h"

namespace gild {
namespace {

// Plain pointers beside the owner, so that a signal handler can read them.
thread_local TaskState* current_task = nullptr;
thread_local std::shared_ptr<TaskState>* current_owner = nullptr;
std::atomic<bool> in_forked_process{false};

struct Start {
  void* (*routine)(void*);
  void* argument;
  std::shared_ptr<TaskState> task;
  std::list<ThreadRecord>::iterator record;
};

pid_t CurrentTid() {
  thread_local const auto tid = static_cast<pid_t>(syscall(SYS_gettid));
  return tid;
}

// The calling thread is one of the task's other threads, until Leave.
void Join(std::shared_ptr<TaskState>* owner, std::list<ThreadRecord>::iterator record) {
  TaskState* const task = owner->get();
  absl::MutexLock lock(&task->mutex);
  *record = {.thread = pthread_self(),
             .tid = CurrentTid(),
             .ledger = &CurrentThreadLedger(),
             .cpu_before_ns = ClockNs(CLOCK_THREAD_CPUTIME_ID)};
  // Its task may have ended meanwhile.
  if (!task->ended.load()) ProcessLedger().Enter(&CurrentThreadLedger(), task->row, task->serial, NowNs());
  current_owner = owner;
  current_task = task;
}

void Leave(TaskState* task, std::list<ThreadRecord>::iterator record) {
  current_task = nullptr;
  current_owner = nullptr;
  if (InForkedProcess()) return;
  absl::MutexLock lock(&task->mutex);
  task->finished_threads_cpu_ns.fetch_add(ClockNs(CLOCK_THREAD_CPUTIME_ID) - record->cpu_before_ns,
                                          std::memory_order_relaxed);
  task->other_threads.fetch_sub(1);
  task->threads.erase(record);
}

// The place of a thread that will Join.
std::list<ThreadRecord>::iterator Expect(TaskState* task) {
  absl::MutexLock lock(&task->mutex);
  task->other_threads.fetch_add(1);
  return task->threads.insert(task->threads.end(), ThreadRecord{});
}

// Runs at the thread's end however it ends: PyThread_exit_thread is pthread_exit.
void EndInherited(void* start_pointer) {
  const std::unique_ptr<Start> start(static_cast<Start*>(start_pointer));
  Leave(start->task.get(), start->record);
}

void* RunInherited(void* start_pointer) {
  auto* start = static_cast<Start*>(start_pointer);
  Join(&start->task, start->record);
  void* result = nullptr;
  pthread_cleanup_push(EndInherited, start);
  result = start->routine(start->argument);
  pthread_cleanup_pop(1);
  return result;
}

}  // namespace

TaskState* CurrentTask() { return current_task; }

void WorkFor(std::shared_ptr<TaskState> task, int64_t now_ns) {
  GILD_CHECK(current_task == nullptr);
  absl::MutexLock lock(&task->mutex);
  // What it uses itself, it asks its own clock.
  task->threads.push_front(
      {.thread = pthread_self(), .tid = CurrentTid(), .ledger = &CurrentThreadLedger(), .cpu_before_ns = 0});
  current_owner = new std::shared_ptr<TaskState>(task);
  current_task = task.get();
  ProcessLedger().Enter(&CurrentThreadLedger(), task->row, task->serial, now_ns);
}

int StopWorking(int64_t now_ns) {
  GILD_CHECK(current_task != nullptr);
  const std::unique_ptr<std::shared_ptr<TaskState>> owner(std::exchange(current_owner, nullptr));
  TaskState* const task = std::exchange(current_task, nullptr);
  const int others = EndTask(task, now_ns);
  absl::MutexLock lock(&task->mutex);
  task->threads.pop_front();
  return others;
}

int EndTask(TaskState* task, int64_t now_ns) {
  absl::MutexLock lock(&task->mutex);
  task->ended.store(true);
  // The others touch their books only when they take or let go of the lock, which we have.
  for (const ThreadRecord& record : task->threads) {
    if (record.ledger != nullptr) ProcessLedger().Leave(record.ledger, now_ns);
  }
  return task->other_threads.load();
}

void HandOver(int64_t now_ns) {
  GILD_CHECK(current_task != nullptr);
  const std::unique_ptr<std::shared_ptr<TaskState>> owner(std::exchange(current_owner, nullptr));
  TaskState* const task = std::exchange(current_task, nullptr);
  ProcessLedger().Enter(&CurrentThreadLedger(), nullptr, 0, now_ns);
  absl::MutexLock lock(&task->mutex);
  task->threads.pop_front();
}

void BeginStep(std::shared_ptr<TaskState>* task, int64_t now_ns) {
  current_owner = task;
  current_task = task->get();
  ProcessLedger().Enter(&CurrentThreadLedger(), current_task->row, current_task->serial, now_ns);
}

void EndStep(int64_t now_ns) {
  current_task = nullptr;
  current_owner = nullptr;
  ProcessLedger().Enter(&CurrentThreadLedger(), nullptr, 0, now_ns);
}

OffDuty::OffDuty() : task_(std::exchange(current_task, nullptr)), owner_(std::exchange(current_owner, nullptr)) {}

OffDuty::~OffDuty() {
  current_task = task_;
  current_owner = owner_;
}

Helper::Helper(std::shared_ptr<TaskState> task) : task_(std::move(task)), record_(Expect(task_.get())) {
  Join(&task_, record_);
}

Helper::~Helper() {
  if (!task_->ended.load()) ProcessLedger().Enter(&CurrentThreadLedger(), nullptr, 0, NowNs());
  Leave(task_.get(), record_);
}

void WaitForOtherThreads(TaskState* task, int64_t until_ns) {
  const auto none = [task] { return task->other_threads.load() == 0; };
  absl::MutexLock lock(&task->mutex);
  task->mutex.AwaitWithTimeout(absl::Condition(&none), absl::Nanoseconds(std::max<int64_t>(0, until_ns - NowNs())));
}

int64_t OtherThreadsCpuNs(TaskState* task) {
  int64_t sum_ns = task->finished_threads_cpu_ns.load(std::memory_order_relaxed);
  absl::MutexLock lock(&task->mutex);
  for (const ThreadRecord& record : task->threads) {
    clockid_t clock;
    if (record.tid != 0 && !pthread_equal(record.thread, pthread_self()) &&
        pthread_getcpuclockid(record.thread, &clock) == 0) {
      sum_ns += ClockNs(clock) - record.cpu_before_ns;
    }
  }
  return sum_ns;
}

std::vector<uint64_t> ThreadIdents(TaskState* task) {
  std::vector<uint64_t> idents;
  absl::MutexLock lock(&task->mutex);
  for (const ThreadRecord& record : task->threads) {
    if (record.tid != 0) idents.push_back(record.thread);
  }
  return idents;
}

void SignalThreads(TaskState* task, int signal) {
  absl::MutexLock lock(&task->mutex);
  for (const ThreadRecord& record : task->threads) {
    if (record.tid != 0) syscall(SYS_tgkill, getpid(), record.tid, signal);
  }
}

bool InForkedProcess() { return in_forked_process.load(std::memory_order_relaxed); }

void InstallForkGuard() {
  GILD_CHECK(pthread_atfork(nullptr, nullptr, [] {
               in_forked_process = true;
               ProcessLedger().Detach();
               TellOfLock(nullptr, nullptr);
               CurrentThreadLedger().row = nullptr;
               current_task = nullptr;
             }) == 0);
}

}  // namespace gild

// Threads inherit the task of their creator. Threads of no task are created as ever.
extern "C" __attribute__((visibility("default"))) int pthread_create(pthread_t* thread,
                                                                     const pthread_attr_t* attributes,
                                                                     void* (*routine)(void*), void* argument) noexcept {
  using Create = int(pthread_t*, const pthread_attr_t*, void* (*)(void*), void*);
  static auto* const real = gild::Real<Create>("pthread_create");
  if (gild::current_task == nullptr) return real(thread, attributes, routine, argument);

  auto* start = new gild::Start{routine, argument, *gild::current_owner, {}};
  start->record = gild::Expect(start->task.get());
  const int error = real(thread, attributes, gild::RunInherited, start);
  if (error != 0) {
    if (error == EAGAIN) start->task->starts_refused.fetch_add(1, std::memory_order_relaxed);
    {
      absl::MutexLock lock(&start->task->mutex);
      start->task->other_threads.fetch_sub(1);
      start->task->threads.erase(start->record);
    }
    delete start;
  }
  return error;
}
