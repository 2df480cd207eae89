#include "server/base/poller.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "server/base/clock.h"
#include "server/base/errors.h"

namespace gild {

Poller::Poller() : epoll_(epoll_create1(EPOLL_CLOEXEC)), wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  GILD_CHECK(epoll_.valid() && wake_.valid());
  Add(wake_.get(), EPOLLIN, [this](uint32_t) {
    uint64_t count;
    (void)!read(wake_.get(), &count, sizeof count);
  });
}

void Poller::Add(int fd, uint32_t events, std::function<void(uint32_t)> on_event) {
  watched_[fd] = std::make_shared<std::function<void(uint32_t)>>(std::move(on_event));
  epoll_event event{.events = events, .data = {.fd = fd}};
  GILD_CHECK(epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) == 0);
}

void Poller::Modify(int fd, uint32_t events) {
  epoll_event event{.events = events, .data = {.fd = fd}};
  GILD_CHECK(epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &event) == 0);
}

void Poller::Remove(int fd) {
  if (watched_.erase(fd) == 0) return;
  GILD_CHECK(epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr) == 0);
}

Poller::TimerId Poller::RunAt(int64_t when_ns, std::function<void()> callback) {
  absl::MutexLock lock(&mutex_);
  const TimerId timer = ++last_timer_;
  const bool earliest = timers_.empty() || when_ns < timers_.begin()->first.first;
  timers_.emplace(std::make_pair(when_ns, timer), std::move(callback));
  timer_times_.emplace(timer, when_ns);
  if (earliest && sleeping_) Wake();
  return timer;
}

bool Poller::CancelTimer(TimerId timer) {
  absl::MutexLock lock(&mutex_);
  auto found = timer_times_.find(timer);
  if (found == timer_times_.end()) return false;
  timers_.erase({found->second, timer});
  timer_times_.erase(found);
  return true;
}

void Poller::Post(std::function<void()> callback) {
  absl::MutexLock lock(&mutex_);
  posted_.push_back(std::move(callback));
  if (sleeping_) Wake();
}

void Poller::Stop() {
  absl::MutexLock lock(&mutex_);
  stopped_ = true;
  if (sleeping_) Wake();
}

void Poller::Wake() {
  const uint64_t one = 1;
  (void)!write(wake_.get(), &one, sizeof one);
}

int64_t Poller::RunDue() {
  while (true) {
    std::vector<std::function<void()>> due;
    {
      absl::MutexLock lock(&mutex_);
      if (stopped_) return -1;
      due.swap(posted_);
      // One at a time, so that every callback before it could still cancel it.
      if (due.empty() && !timers_.empty() && timers_.begin()->first.first <= NowNs()) {
        auto first = timers_.begin();
        timer_times_.erase(first->first.second);
        due.push_back(std::move(first->second));
        timers_.erase(first);
      }
      if (due.empty()) {
        sleeping_ = true;
        return timers_.empty() ? -1 : timers_.begin()->first.first;
      }
    }
    for (auto& callback : due) callback();
  }
}

void Poller::Run() {
  std::array<epoll_event, 64> events;
  while (true) {
    const int64_t next_ns = RunDue();
    {
      absl::MutexLock lock(&mutex_);
      if (stopped_) return;
    }
    timespec timeout{};
    if (next_ns >= 0) {
      const int64_t left_ns = std::max<int64_t>(0, next_ns - NowNs());
      timeout = {.tv_sec = left_ns / kNsPerSecond, .tv_nsec = left_ns % kNsPerSecond};
    }
    const int count = epoll_pwait2(epoll_.get(), events.data(), events.size(), next_ns >= 0 ? &timeout : nullptr, nullptr);
    GILD_CHECK(count >= 0 || errno == EINTR);
    {
      absl::MutexLock lock(&mutex_);
      sleeping_ = false;
    }
    for (int i = 0; i < count; ++i) {
      auto found = watched_.find(events[i].data.fd);
      if (found == watched_.end()) continue;  // removed by an earlier callback of this round
      auto on_event = found->second;
      (*on_event)(events[i].events);
    }
  }
}

}  // namespace gild
