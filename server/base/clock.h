// Time is CLOCK_MONOTONIC in nanoseconds everywhere in gild: one clock for the server and its children, so that a
// child's time stamp can be subtracted from the server's. Passive parts take `now_ns` as an argument; tests pass what
// they like.
#pragma once

#include <sys/time.h>
#include <time.h>

#include <cstdint>

namespace gild {

inline constexpr int64_t kNsPerUs = 1000;
inline constexpr int64_t kNsPerMs = 1000 * kNsPerUs;
inline constexpr int64_t kNsPerSecond = 1000 * kNsPerMs;

// 0: there is no such clock (a thread that has ended).
inline int64_t ClockNs(clockid_t clock) {
  timespec time;
  if (clock_gettime(clock, &time) != 0) return 0;
  return time.tv_sec * kNsPerSecond + time.tv_nsec;
}

inline int64_t Ns(const timeval& time) { return time.tv_sec * kNsPerSecond + time.tv_usec * kNsPerUs; }

inline int64_t NowNs() { return ClockNs(CLOCK_MONOTONIC); }

}  // namespace gild
