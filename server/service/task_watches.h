// TaskWatches answers Executor.Watch: what a task prints, and how far it says it is, told while it waits and runs.
//
// Nothing of it costs a task anything while nobody watches. One timer, there only while somebody does, looks into the
// interpreters' pages for all of them. What a task has printed that a watcher does not know yet when it ends is kept
// for it; where that is too much in all, its watch ends with RESOURCE_EXHAUSTED and the outcome has to do.
//
// Any thread.
//
//   Post ─▶ Add ─▶ Look, again and again: what is new in the page ─▶ Ended: the rest ─▶ OK
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "gild/v1/executor.grpc.pb.h"
#include "server/base/clock.h"
#include "server/base/poller.h"
#include "server/scheduler/scheduler.h"
#include "server/service/calls.h"
#include "server/service/watch_call.h"
#include "server/task/glimpse.h"
#include "server/task/outcome.h"
#include "server/task/task.h"

namespace gild {

class TaskWatches {
 public:
  static constexpr int64_t kLookNs = 50 * kNsPerMs;

  struct Config {
    decltype(WatchMethod<v1::WatchRequest, v1::WatchReply>::wait) wait;
    Scheduler* scheduler;
    Poller* poller;
    LiveCalls* live;
  };

  // What `config` points to outlives it.
  explicit TaskWatches(Config config);
  TaskWatches(const TaskWatches&) = delete;
  TaskWatches& operator=(const TaskWatches&) = delete;

  // Waits for watchers on this queue.
  void Post(grpc::ServerCompletionQueue* queue) { Call::Post(&method_, queue); }

  // Every accepted task's end, once the scheduler has forgotten it.
  void Ended(const Task& task, const Outcome& outcome) ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  using Call = WatchCall<v1::WatchRequest, v1::WatchReply>;

  // What a task left at its end, after what all of its watchers know. Never changes.
  struct Rest {
    ~Rest() { *bytes_kept -= static_cast<int64_t>(out.size() + err.size()); }
    // What follows that point.
    Glimpse Peek(OutputPoint after) const;

    OutputPoint begin;
    std::string out;
    std::string err;
    std::optional<Progress> progress;
    grpc::Status end;  // once all of it is told
    std::atomic<int64_t>* bytes_kept;
  };

  struct Watch {
    std::weak_ptr<Call> call;
    uint64_t serial = 0;
    OutputPoint told;
    std::optional<Progress> progress;  // that was told
    std::shared_ptr<const Rest> rest;  // null: the task has not ended
    bool behind = false;               // there may be more at once
  };

  grpc::Status Add(const std::shared_ptr<Call>& call) ABSL_LOCKS_EXCLUDED(mutex_);
  Latest LatestOf(const Call& call, v1::WatchReply* reply) ABSL_LOCKS_EXCLUDED(mutex_);
  void Written(const std::shared_ptr<Call>& call) ABSL_LOCKS_EXCLUDED(mutex_);
  void Remove(const std::shared_ptr<Call>& call) ABSL_LOCKS_EXCLUDED(mutex_);
  void Look() ABSL_LOCKS_EXCLUDED(mutex_);
  void LookLater() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Config config_;
  const WatchMethod<v1::WatchRequest, v1::WatchReply> method_;
  std::atomic<int64_t> bytes_kept_{0};

  // Also of watches that are being added, so that no end is missed.
  std::atomic<int> watching_{0};
  absl::Mutex mutex_;
  std::map<const Call*, Watch> watches_ ABSL_GUARDED_BY(mutex_);
  std::multimap<uint64_t, Watch*> of_task_ ABSL_GUARDED_BY(mutex_);  // by serial
  Poller::TimerId timer_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace gild
