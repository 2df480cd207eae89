// While tasks come one at a time, the threads that each of them passes keep to its interpreter's core.
//
// From a client's call to its reply a task wakes the thread that reads calls, its interpreter and the poller. The
// kernel wakes each of them on a core that sleeps, where there is one; that takes 35 us, and a small task runs for
// less. On one core the next thread is only switched to: a Python client's round trip is over in four fifths of the
// time (server/README.md has the figures). Where a second task is in flight, the next runs on another core or none
// comes for a while, the threads are free again, each as soon as it passes.
#pragma once

#include <cstdint>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "server/base/clock.h"

namespace gild {

// Of all lanes. Any thread.
class LoneCore {
 public:
  // So many in a row, each within that time of the last.
  static constexpr int kTasks = 16;
  static constexpr int64_t kApartNs = 10 * kNsPerMs;

  // The calling thread hands a task to an interpreter on that core; -1: one that is not pinned.
  void HandsOver(int core, int64_t now_ns) ABSL_LOCKS_EXCLUDED(mutex_);
  // The calling thread has heard of the end of so many, or has them back.
  void HearsOf(int64_t tasks, int64_t now_ns) ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  // -1: the calling thread is to be free.
  int CoreToKeep(int64_t now_ns) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  absl::Mutex mutex_;
  int64_t in_flight_ ABSL_GUARDED_BY(mutex_) = 0;
  int core_ ABSL_GUARDED_BY(mutex_) = -1;        // of the last
  int64_t last_ns_ ABSL_GUARDED_BY(mutex_) = 0;  // when it was handed over
  int in_a_row_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace gild
