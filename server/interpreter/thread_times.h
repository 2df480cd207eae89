// ThreadTimes is how long a thread has run on a core, and how long it has waited for one, at the begin and the end of
// each of many small tasks, or steps: to ask the kernel for both costs as much as one of them (0.7 us each).
//
// So what begins or ends within kSameMomentNs of the last reading is reckoned: the thread was on its core since. And
// where it cannot have waited for as long as kUnseenNs since it last looked, it does not look again. Both bound what
// may be booked wrongly: 20 us of a thread that leaves its core for less than that, and 5 us.
//
// Thread rule: of one thread, and called on it.
//
//   const ThreadTimes::Sums before = times.Begin(NowNs());
//   … the task …
//   const ThreadTimes::Sums after = times.End(NowNs(), /*look=*/false);
#pragma once

#include <cstdint>
#include <optional>

#include "server/base/clock.h"

namespace gild {

class ThreadTimes {
 public:
  static constexpr int64_t kSameMomentNs = 20 * kNsPerUs;
  static constexpr int64_t kUnseenNs = 5 * kNsPerUs;

  // Sums since the thread's start.
  struct Sums {
    int64_t cpu_ns = 0;
    std::optional<int64_t> cpu_wait_ns;  // empty: unavailable
  };
  struct Clocks {
    int64_t (*cpu_ns)();
    std::optional<int64_t> (*cpu_wait_ns)();
  };

  explicit ThreadTimes(Clocks clocks) : clocks_(clocks) {}

  Sums Begin(int64_t now_ns);
  // `look`: in any case, as the processor time is not the thread's own.
  Sums End(int64_t now_ns, bool look);

 private:
  // Empty: too much time has passed.
  std::optional<Sums> Reckoned(int64_t now_ns) const;
  Sums Read(int64_t now_ns, bool look);

  const Clocks clocks_;
  // At the last reading: of the processor time, and of the wait. The first reading is long after the clock's zero.
  int64_t at_ns_ = 0;
  int64_t cpu_ns_ = 0;
  int64_t looked_at_ns_ = 0;
  int64_t looked_cpu_ns_ = 0;
  std::optional<int64_t> cpu_wait_ns_;
};

}  // namespace gild
