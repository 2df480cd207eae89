// Poller is the event loop: descriptors (epoll), timers and posted calls, all run on the one thread that is in Run().
//
// Thread rule: Post, RunAt and CancelTimer may be called from any thread; Add, Modify and Remove only on the loop's own
// thread or before Run. Callbacks run on the loop's thread with no lock held, and must not block. The poller owns no
// descriptor: Remove before closing one. After Remove returns, its callback is not called again.
//
//   Poller poller;
//   std::thread loop([&] { poller.Run(); });
//   poller.Post([&] { poller.Add(fd, EPOLLIN, [&](uint32_t events) { ReadSome(fd); }); });
//   poller.RunAt(NowNs() + kNsPerSecond, [] { ... });
//   poller.Stop();  // Run returns; what was posted and not yet run is dropped
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <unordered_map>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "server/base/unique_fd.h"

namespace gild {

class Poller {
 public:
  using TimerId = uint64_t;  // 0 is never a timer

  Poller();
  Poller(const Poller&) = delete;
  Poller& operator=(const Poller&) = delete;

  // `events` as for epoll_ctl (level-triggered).
  void Add(int fd, uint32_t events, std::function<void(uint32_t events)> on_event);
  void Modify(int fd, uint32_t events);
  void Remove(int fd);

  TimerId RunAt(int64_t when_ns, std::function<void()> callback) ABSL_LOCKS_EXCLUDED(mutex_);
  // False when it ran already or was never there. On the loop's thread a cancelled timer does not run any more.
  bool CancelTimer(TimerId timer) ABSL_LOCKS_EXCLUDED(mutex_);
  void Post(std::function<void()> callback) ABSL_LOCKS_EXCLUDED(mutex_);

  void Run() ABSL_LOCKS_EXCLUDED(mutex_);
  void Stop() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  void Wake();
  // Runs what is posted and due; returns when the next timer is due, or -1.
  int64_t RunDue() ABSL_LOCKS_EXCLUDED(mutex_);

  UniqueFd epoll_;
  UniqueFd wake_;

  // Loop's thread only. Shared so that a callback may remove itself.
  std::unordered_map<int, std::shared_ptr<std::function<void(uint32_t)>>> watched_;

  absl::Mutex mutex_;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  bool sleeping_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::function<void()>> posted_ ABSL_GUARDED_BY(mutex_);
  TimerId last_timer_ ABSL_GUARDED_BY(mutex_) = 0;
  std::map<std::pair<int64_t, TimerId>, std::function<void()>> timers_ ABSL_GUARDED_BY(mutex_);
  std::unordered_map<TimerId, int64_t> timer_times_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace gild
