#include "server/meter/hog_core.h"

#include "server/base/clock.h"

namespace gild {

int HogCore::Choose(int here, int64_t now_ns) {
  // Two threads at once may both choose: either core will do.
  if (now_ns - chosen_ns_.load(std::memory_order_relaxed) > kNsPerSecond) {
    core_.store(here, std::memory_order_relaxed);
    chosen_ns_.store(now_ns, std::memory_order_relaxed);
  }
  return core_.load(std::memory_order_relaxed);
}

}  // namespace gild
