#include "server/base/core_binding.h"

namespace gild {

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
