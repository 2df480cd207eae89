// PollerThread: a poller with its thread, for tests of what lives on one.
//
// Do runs something on the loop's thread and waits for it; a Pause holds the loop still, so that a test can prepare
// what it is to meet all at once. End (or the destructor) ends the thread; what was watched may be destroyed
// afterwards.
#pragma once

#include <functional>
#include <thread>
#include <utility>

#include "absl/synchronization/notification.h"
#include "server/base/poller.h"

namespace gild::testing {

class PollerThread {
 public:
  PollerThread() : thread_([this] { poller_.Run(); }) {}
  ~PollerThread() { End(); }

  Poller* get() { return &poller_; }

  void Do(std::function<void()> what) {
    absl::Notification done;
    poller_.Post([&] {
      what();
      done.Notify();
    });
    done.WaitForNotification();
  }

  void End() {
    if (!thread_.joinable()) return;
    poller_.Stop();
    thread_.join();
  }

 private:
  Poller poller_;
  std::thread thread_;
};

class Pause {
 public:
  explicit Pause(PollerThread* thread) {
    thread->get()->Post([this] {
      still_.Notify();
      over_.WaitForNotification();
      gone_.Notify();
    });
    still_.WaitForNotification();
  }
  ~Pause() { End(); }

  void End() {
    if (!over_.HasBeenNotified()) over_.Notify();
    gone_.WaitForNotification();
  }

 private:
  absl::Notification still_;
  absl::Notification over_;
  absl::Notification gone_;
};

}  // namespace gild::testing
