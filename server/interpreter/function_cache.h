// FunctionCache: the functions that this interpreter has been sent, unpickled at their first call and kept.
//
// What is kept the server decides (lane/known_functions): Learn carries out its orders in the order of the frames, and
// gives the task the function it calls there and then. A later frame may order to forget it before the task comes to
// run.
#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "gild/internal/frames.pb.h"
#include "server/interpreter/python.h"

namespace gild {

struct CachedFunction {
  std::string pickled;
  PyRef callable;  // null until the first call; touched with the interpreter's lock only
};

class FunctionCache {
 public:
  // Takes the function out of the frame, and forgets what it says. What the task calls: null when it calls none, or one
  // that was never sent; let go of it with the interpreter's lock only. The thread that receives frames, without the
  // interpreter's lock.
  std::shared_ptr<CachedFunction> Learn(internal::StartTask* start) ABSL_LOCKS_EXCLUDED(mutex_);
  // Lets go of what was forgotten. REQUIRES: the interpreter's lock.
  void Bury() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  absl::Mutex mutex_;
  std::unordered_map<std::string, std::shared_ptr<CachedFunction>> functions_ ABSL_GUARDED_BY(mutex_);
  // Waits for Bury.
  std::vector<std::shared_ptr<CachedFunction>> forgotten_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace gild
