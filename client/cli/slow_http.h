// SlowHttp: an HTTP server on loopback that lets every answer wait, as a server across the world would.
//
// One epoll thread serves all connections; an asked request is suspended, and a timer thread resumes it when it is due,
// so a thousand may wait at once. Methods may be called from any thread. It owns both threads; the destructor joins
// them, and answers or hangs up on what still waits.
//
//   auto server = SlowHttp::Start(absl::Milliseconds(50));
//   Fetch((*server)->Url(7));  // "http://127.0.0.1:40123/page/7", 4 KiB after 50 ms
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

struct MHD_Connection;
struct MHD_Daemon;

namespace gild::cli {

class SlowHttp {
 public:
  static constexpr size_t kBodyBytes = 4096;

  // On a free port, which Url and port() name.
  static absl::StatusOr<std::unique_ptr<SlowHttp>> Start(absl::Duration delay);
  SlowHttp(const SlowHttp&) = delete;
  SlowHttp& operator=(const SlowHttp&) = delete;
  ~SlowHttp();

  std::string Url(size_t page) const;
  uint16_t port() const { return port_; }

  struct Counts {
    uint64_t answered = 0;
    // The most requests that waited at the same time.
    size_t waiting_most = 0;
    // From asked to answered, by the server's own clock. Meaningless while answered is 0.
    absl::Duration shortest_delay = absl::InfiniteDuration();
  };
  Counts counts() const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  using Clock = std::chrono::steady_clock;
  struct Asked {
    Clock::time_point at;
  };
  struct Waiting {
    Clock::time_point due;
    MHD_Connection* connection;
  };
  struct Glue;  // libmicrohttpd's callbacks

  explicit SlowHttp(absl::Duration delay);
  // True when the request now waits; false when it is to be answered at once.
  bool LetWait(MHD_Connection* connection, Clock::time_point asked) ABSL_LOCKS_EXCLUDED(mutex_);
  void CountAnswer(Clock::time_point asked) ABSL_LOCKS_EXCLUDED(mutex_);
  void ResumeWhenDue() ABSL_LOCKS_EXCLUDED(mutex_);
  bool SomethingToDo() const ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return stopping_ || !waiting_.empty(); }

  const Clock::duration delay_;
  const std::string body_;
  uint16_t port_ = 0;

  mutable absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  // In order of due: the delay is the same for all.
  std::deque<Waiting> waiting_ ABSL_GUARDED_BY(mutex_);
  Counts counts_ ABSL_GUARDED_BY(mutex_);

  MHD_Daemon* daemon_ = nullptr;
  std::thread timer_;
};

}  // namespace gild::cli
