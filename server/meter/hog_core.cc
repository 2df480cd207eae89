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

void CoreBinding::Bind(int core) {
  if (bound_ || sched_getaffinity(0, sizeof before_, &before_) != 0 || !CPU_ISSET(core, &before_)) return;
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(core, &one);
  bound_ = sched_setaffinity(0, sizeof one, &one) == 0;
}

void CoreBinding::Undo() {
  if (!bound_) return;
  bound_ = false;
  sched_setaffinity(0, sizeof before_, &before_);
}

}  // namespace gild
