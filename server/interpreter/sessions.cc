#include "server/interpreter/sessions.h"

#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <thread>

#include "absl/time/time.h"
#include "server/base/clock.h"
#include "server/interpreter/death_note.h"

namespace gild {
namespace {

// How often it is looked whether a wait for the lock is what takes so long.
constexpr int64_t kLookNs = 10 * kNsPerMs;
// Finalizers may start threads that wait for each other: so many times as long as allowed at most.
constexpr int64_t kStretchMax = 30;

int64_t LockWaitNs(const Row& row, int64_t now_ns) {
  const int64_t since_ns = row.waiting_since_ns.load();
  return row.lock.wait_ns.load() + (since_ns == 0 ? 0 : now_ns - since_ns);
}

}  // namespace

std::shared_ptr<Session> Sessions::Of(uint64_t number) {
  if (number == 0) return nullptr;
  std::shared_ptr<Session>& session = sessions_[number];
  if (session == nullptr) session = std::make_shared<Session>();
  return session;
}

void Sessions::Forget(const internal::ForgetSessions& order) {
  absl::MutexLock lock(&mutex_);
  for (const uint64_t number : order.sessions()) {
    auto session = sessions_.extract(number);
    // One that never came here is gone, too, and the server wants to hear it.
    forgotten_.emplace_back(number, session.empty() ? std::make_shared<Session>() : std::move(session.mapped()));
  }
  if (std::exchange(started_, true)) return;
  std::thread([this] {
    pthread_setname_np(pthread_self(), "gild-forget");
    UseAlternateStack();
    LetGoLoop();
  }).detach();
  std::thread([this] {
    pthread_setname_np(pthread_self(), "gild-forget-stop");
    WatchLoop();
  }).detach();
}

void Sessions::LetGoLoop() {
  const auto some = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return !forgotten_.empty(); };
  PyThreadState* const thread_state = PyThreadState_New(interpreter_);
  // Finalizers are nobody's task: what they print is dropped, and their time is the interpreter's own.
  Row row{};
  char nothing;
  while (true) {
    std::pair<uint64_t, std::shared_ptr<Session>> next;
    {
      absl::MutexLock lock(&mutex_);
      mutex_.Await(absl::Condition(&some));
      next = std::move(forgotten_.front());
      forgotten_.pop_front();
    }
    auto task = std::make_shared<TaskState>();
    task->row = &row;
    task->out = task->err = &nothing;
    runner_->LetGo(std::move(next.second), task, thread_state, [&](bool begins) {
      absl::MutexLock lock(&mutex_);
      ending_ = begins ? task : nullptr;
    });
    internal::FromInterpreter frame;
    frame.mutable_sessions_forgotten()->add_sessions(next.first);
    while (!channel_->Send(frame).ok()) syscall(SYS_exit_group, kExitOfLostChannel);
  }
}

void Sessions::WatchLoop() {
  absl::MutexLock lock(&mutex_);
  while (true) {
    const auto some = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return ending_ != nullptr; };
    mutex_.Await(absl::Condition(&some));
    const std::shared_ptr<TaskState> task = ending_;
    if (EndsIn(kSessionEndNs, *task)) continue;
    stopper_->Stop(task);
    if (EndsIn(kStopGraceNs, *task)) continue;
    while (true) syscall(SYS_exit_group, kExitOfStuckSession);
  }
}

bool Sessions::EndsIn(int64_t time_ns, const TaskState& task) {
  const auto over = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return ending_.get() != &task; };
  const int64_t begin_ns = NowNs(), waited_before_ns = LockWaitNs(*task.row, begin_ns);
  while (true) {
    const int64_t now_ns = NowNs(), elapsed_ns = now_ns - begin_ns;
    const int64_t waited_ns = LockWaitNs(*task.row, now_ns) - waited_before_ns;
    const int64_t left_ns = time_ns - std::max(elapsed_ns - waited_ns, elapsed_ns / kStretchMax);
    if (left_ns <= 0) return false;
    if (mutex_.AwaitWithTimeout(absl::Condition(&over), absl::Nanoseconds(std::max(left_ns, kLookNs)))) return true;
  }
}

}  // namespace gild
