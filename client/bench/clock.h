// Moments of a load generator: CLOCK_MONOTONIC in nanoseconds. Passive parts take them as arguments; tests pass what
// they like.
#pragma once

#include <time.h>

#include <cstdint>

namespace gild::bench {

inline constexpr int64_t kNsPerSecond = 1'000'000'000;

inline int64_t NowNs() {
  timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * kNsPerSecond + time.tv_nsec;
}

}  // namespace gild::bench
