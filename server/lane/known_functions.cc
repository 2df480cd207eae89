#include "server/lane/known_functions.h"

#include <utility>

namespace gild {

KnownFunctions::Orders KnownFunctions::Use(const Function& function) {
  const auto [place, is_new] = places_.try_emplace(function.sha256);
  Orders orders{.send = is_new, .forget = {}};
  if (!is_new) {
    order_.splice(order_.begin(), order_, place->second);
    return orders;
  }
  order_.push_front({function.sha256, static_cast<int64_t>(function.pickled.size())});
  place->second = order_.begin();
  bytes_ += order_.front().bytes;
  while (order_.size() > 1 && (order_.size() > bounds_.functions || bytes_ > bounds_.bytes)) {
    bytes_ -= order_.back().bytes;
    places_.erase(order_.back().sha256);
    orders.forget.push_back(std::move(order_.back().sha256));
    order_.pop_back();
  }
  return orders;
}

}  // namespace gild
