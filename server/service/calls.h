// What all calls have in common: who counts them, and the tags that keep them alive.
//
// A call is an object in a shared_ptr, kept alive by whoever may still come back to it: gRPC's tags (CallEvent) and
// what it waits for, such as the scheduler's `done`. LiveCall counts it from before it waits for its client until it is
// freed.
#pragma once

#include <atomic>
#include <memory>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "google/protobuf/arena.h"
#include "server/base/errors.h"
#include "server/service/completion_queue.h"

namespace gild {

// How the memory of a message grows that has many small parts, as tasks and outcomes have.
inline google::protobuf::ArenaOptions MessageMemory() {
  google::protobuf::ArenaOptions options;
  options.start_block_size = 4 << 10;
  options.max_block_size = 64 << 10;
  return options;
}

// Any thread.
class LiveCalls {
 public:
  // Counts one more, which is about to wait for its client. False: StopPosting was called.
  bool Post() ABSL_LOCKS_EXCLUDED(mutex_);
  void Arrived() ABSL_LOCKS_EXCLUDED(mutex_);
  void Freed(bool had_arrived) ABSL_LOCKS_EXCLUDED(mutex_);

  void StopPosting() ABSL_LOCKS_EXCLUDED(mutex_);
  int InFlight() const ABSL_LOCKS_EXCLUDED(mutex_);
  // Returns when no call is in flight, or after the limit. More may arrive.
  void AwaitNoneInFlight(absl::Duration limit) ABSL_LOCKS_EXCLUDED(mutex_);
  void AwaitNone() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  mutable absl::Mutex mutex_;
  bool posting_ ABSL_GUARDED_BY(mutex_) = true;
  int live_ ABSL_GUARDED_BY(mutex_) = 0;       // waiting for their client or in flight
  int in_flight_ ABSL_GUARDED_BY(mutex_) = 0;  // arrived and not yet freed
};

// A call's first member, so that it is counted until all the rest is freed. REQUIRES: Post said true.
class LiveCall {
 public:
  explicit LiveCall(LiveCalls* calls) : calls_(calls) {}
  ~LiveCall() { calls_->Freed(arrived_); }
  LiveCall(const LiveCall&) = delete;
  LiveCall& operator=(const LiveCall&) = delete;

  void Arrived() {
    arrived_ = true;
    calls_->Arrived();
  }

 private:
  LiveCalls* const calls_;
  bool arrived_ = false;
};

// A member of a call: a tag, and the reference that keeps the call alive while gRPC has it. One operation at a time.
template <typename Call>
class CallEvent final : public CompletionTag {
 public:
  explicit CallEvent(void (Call::*handler)(bool)) : handler_(handler) {}

  // Before AsVoid is given to gRPC; where the tag may never come, before it can.
  void Arm(std::shared_ptr<Call> call) {
    call_ = std::move(call);
    armed_.store(true, std::memory_order_release);
  }

  void Complete(bool ok) override {
    // gRPC's queue orders the two as well; this does not rest on how.
    GILD_CHECK(armed_.exchange(false, std::memory_order_acquire));
    const std::shared_ptr<Call> kept = std::move(call_);
    (kept.get()->*handler_)(ok);
  }

 private:
  void (Call::*const handler_)(bool);
  std::shared_ptr<Call> call_;
  std::atomic<bool> armed_{false};
};

}  // namespace gild
