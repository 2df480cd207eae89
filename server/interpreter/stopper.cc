#include "server/interpreter/stopper.h"

#include <pthread.h>

#include <thread>

#include "absl/time/clock.h"
#include "server/interpreter/stop_signal.h"

namespace gild {
namespace {

// A signal that comes just before the blocking call is lost; the next one is not.
constexpr absl::Duration kSignalAgain = absl::Milliseconds(5);
// Seldom enough for a `finally` to do its work.
constexpr absl::Duration kRaiseAgain = absl::Milliseconds(100);

}  // namespace

void Stopper::Stop(std::shared_ptr<TaskState> task) {
  task->stop.store(true);
  absl::MutexLock lock(&mutex_);
  stopping_.push_back(std::move(task));
  if (started_) return;
  started_ = true;
  std::thread([this] {
    pthread_setname_np(pthread_self(), "gild-signal");
    SignalLoop();
  }).detach();
  std::thread([this] {
    pthread_setname_np(pthread_self(), "gild-raise");
    RaiseLoop();
  }).detach();
}

std::vector<std::shared_ptr<TaskState>> Stopper::Stopping() {
  const auto some = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    std::erase_if(stopping_, [](const auto& task) { return task->ended.load(); });
    return !stopping_.empty();
  };
  absl::MutexLock lock(&mutex_);
  mutex_.Await(absl::Condition(&some));
  return stopping_;
}

void Stopper::SignalLoop() {
  while (true) {
    for (const auto& task : Stopping()) Signal(task.get());
    absl::SleepFor(kSignalAgain);
  }
}

void Stopper::Signal(TaskState* task) {
  SignalThreads(task, StopSignal());
  if (task->on_loop) loop_->SignalStep(task, StopSignal());
}

void Stopper::RaiseLoop() {
  while (true) {
    const auto stopping = Stopping();
    const PyGILState_STATE state = PyGILState_Ensure();
    for (const auto& task : stopping) {
      runner_->RaiseStop(task.get());
      if (task->on_loop) loop_->RaiseStop(task.get());
    }
    PyGILState_Release(state);
    // And now out of whatever they were waiting in.
    for (const auto& task : stopping) Signal(task.get());
    absl::SleepFor(kRaiseAgain);
  }
}

}  // namespace gild
