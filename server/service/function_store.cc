#include "server/service/function_store.h"

#include <openssl/sha.h>

#include <utility>

namespace gild {

std::shared_ptr<const Function> FunctionStore::Put(std::string pickled) {
  std::string sha256 = Sha256(pickled);  // outside the lock: it takes milliseconds
  absl::MutexLock lock(&mutex_);
  const auto [place, is_new] = places_.try_emplace(sha256);
  if (!is_new) {
    order_.splice(order_.begin(), order_, place->second);
    return order_.front();
  }
  bytes_ += static_cast<int64_t>(pickled.size());
  order_.push_front(std::make_shared<const Function>(Function{std::move(sha256), std::move(pickled)}));
  place->second = order_.begin();
  while (order_.size() > bounds_.functions || bytes_ > bounds_.bytes) {
    bytes_ -= static_cast<int64_t>(order_.back()->pickled.size());
    places_.erase(order_.back()->sha256);
    order_.pop_back();
  }
  return order_.front();
}

std::shared_ptr<const Function> FunctionStore::Find(absl::string_view sha256) {
  absl::MutexLock lock(&mutex_);
  const auto place = places_.find(sha256);
  if (place == places_.end()) return nullptr;
  order_.splice(order_.begin(), order_, place->second);
  return order_.front();
}

std::string Sha256(absl::string_view bytes) {
  std::string digest(SHA256_DIGEST_LENGTH, '\0');
  SHA256(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(),
         reinterpret_cast<unsigned char*>(digest.data()));
  return digest;
}

}  // namespace gild
