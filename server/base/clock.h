// Time is CLOCK_MONOTONIC in nanoseconds everywhere in gild: one clock for the server and its children, so that a
// child's time stamp can be subtracted from the server's. Passive parts take `now_ns` as an argument; tests pass what
// they like.
#pragma once

#include <time.h>

#include <cstdint>

namespace gild {

inline constexpr int64_t kNsPerUs = 1000;
inline constexpr int64_t kNsPerMs = 1000 * kNsPerUs;
inline constexpr int64_t kNsPerSecond = 1000 * kNsPerMs;

inline int64_t NowNs() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * kNsPerSecond + now.tv_nsec;
}

}  // namespace gild
