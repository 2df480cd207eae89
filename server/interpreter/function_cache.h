// FunctionCache: the functions that this interpreter has been sent, unpickled at their first call and kept.
//
// What is kept the server decides (lane/known_functions): Learn carries out its orders, in the order of the frames,
// before the task that they came with runs. So a function is there whenever a task calls it, unless the server has
// broken the protocol.
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
  // Takes the function out of the frame, and forgets what it says. The thread that receives frames; no interpreter's
  // lock.
  void Learn(internal::StartTask* start) ABSL_LOCKS_EXCLUDED(mutex_);
  // Null: it was never sent. Keep it only as long as the interpreter's lock is held for it to be let go of. REQUIRES:
  // the lock.
  std::shared_ptr<CachedFunction> Find(const std::string& sha256) ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  absl::Mutex mutex_;
  std::unordered_map<std::string, std::shared_ptr<CachedFunction>> functions_ ABSL_GUARDED_BY(mutex_);
  // Forgotten, to be let go of by whoever has the interpreter's lock next.
  std::vector<std::shared_ptr<CachedFunction>> forgotten_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace gild
