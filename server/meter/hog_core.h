// Hogs, threads that only run bytecode, take turns with the lock; here they take their turns on one core.
//
// A thread that is forced to let go is still on its core when the next one is woken, so the kernel wakes that one on
// another: the work wanders from core to core at each switch interval, and each time a core that was idle has to wake
// up. CPython's own threads lose up to a fifth of their time by it (tests/bench/plain_threads.py). So a hog waits for
// the lock bound to the core that the other hogs wait on, and is free again as soon as it has the lock: what lets go by
// itself, be it to sleep or to compute in C, never runs bound.
#pragma once

#include <atomic>
#include <cstdint>

namespace gild {

// The core that an interpreter's hogs share, for now.
class HogCore {
 public:
  // The core on which a hog that runs on `here` shall wait. Each second it is chosen anew: where a hog runs, since the
  // kernel moves one whose core others want.
  int Choose(int here, int64_t now_ns);

 private:
  std::atomic<int> core_{0};
  std::atomic<int64_t> chosen_ns_{0};
};

}  // namespace gild
