#include "server/service/calls.h"

namespace gild {
namespace {

bool IsZero(int* number) { return *number == 0; }

}  // namespace

bool LiveCalls::Post() {
  absl::MutexLock lock(&mutex_);
  if (posting_) ++live_;
  return posting_;
}

void LiveCalls::Arrived() {
  absl::MutexLock lock(&mutex_);
  ++in_flight_;
}

void LiveCalls::Freed(bool had_arrived) {
  absl::MutexLock lock(&mutex_);
  --live_;
  if (had_arrived) --in_flight_;
}

int LiveCalls::InFlight() const {
  absl::MutexLock lock(&mutex_);
  return in_flight_;
}

void LiveCalls::StopPosting() {
  absl::MutexLock lock(&mutex_);
  posting_ = false;
}

void LiveCalls::AwaitNoneInFlight(absl::Duration limit) {
  absl::MutexLock lock(&mutex_);
  mutex_.AwaitWithTimeout(absl::Condition(&IsZero, &in_flight_), limit);
}

void LiveCalls::AwaitNone() {
  absl::MutexLock lock(&mutex_);
  mutex_.Await(absl::Condition(&IsZero, &live_));
}

}  // namespace gild
