#include "server/interpreter/function_cache.h"

#include <utility>

namespace gild {

std::shared_ptr<CachedFunction> FunctionCache::Learn(internal::StartTask* start) {
  if (start->function_sha256().empty()) return nullptr;
  absl::MutexLock lock(&mutex_);
  for (const std::string& sha256 : start->forget_functions_sha256()) {
    const auto found = functions_.find(sha256);
    if (found == functions_.end()) continue;
    forgotten_.push_back(std::move(found->second));
    functions_.erase(found);
  }
  if (start->has_pickled_function()) {
    auto function = std::make_shared<CachedFunction>();
    function->pickled = std::move(*start->mutable_pickled_function());
    functions_[start->function_sha256()] = std::move(function);
  }
  const auto found = functions_.find(start->function_sha256());
  return found == functions_.end() ? nullptr : found->second;
}

void FunctionCache::Bury() {
  std::vector<std::shared_ptr<CachedFunction>> forgotten;  // outlives the mutex's hold: a destructor may run Python
  absl::MutexLock lock(&mutex_);
  forgotten.swap(forgotten_);
}

}  // namespace gild
