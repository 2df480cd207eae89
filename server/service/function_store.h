// FunctionStore keeps the functions that clients have put, by content hash.
//
// Bounded in number and bytes; full, it forgets the one that was used the longest ago: its client puts it again when a
// task that calls it is refused (FAILED_PRECONDITION). Any thread.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "server/task/capacity.h"
#include "server/task/function.h"

namespace gild {

class FunctionStore {
 public:
  struct Bounds {
    size_t functions = kFunctionsMax;
    int64_t bytes = kFunctionsBytesMax;
  };

  FunctionStore() : FunctionStore(Bounds()) {}
  explicit FunctionStore(Bounds bounds) : bounds_(bounds) {}

  // Keeps it, and counts as a use. REQUIRES: it fits the store's bytes.
  std::shared_ptr<const Function> Put(std::string pickled) ABSL_LOCKS_EXCLUDED(mutex_);
  // Null: nobody has put it, or it has been forgotten. A use.
  std::shared_ptr<const Function> Find(absl::string_view sha256) ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  using Order = std::list<std::shared_ptr<const Function>>;

  const Bounds bounds_;
  absl::Mutex mutex_;
  Order order_ ABSL_GUARDED_BY(mutex_);  // the last used first
  absl::flat_hash_map<std::string, Order::iterator> places_ ABSL_GUARDED_BY(mutex_);
  int64_t bytes_ ABSL_GUARDED_BY(mutex_) = 0;
};

inline constexpr size_t kSha256Bytes = 32;  // FIPS 180-4
std::string Sha256(absl::string_view bytes);

}  // namespace gild
