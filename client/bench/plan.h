// Plan: the planned moments of one open loop, and how late the sends were.
//
// Passive, for one thread: time is an argument, in nanoseconds since the loop's start. Every planned moment is either
// sent or left over: planned() == sent() + unsent().
//
//   Plan plan(schedule, /*length_ns=*/10 * kNsPerSecond, /*tasks_max=*/1000000);
//   while (plan.next()) {
//     WaitUntil(*plan.next());
//     std::vector<int64_t> due = {plan.Take()};
//     …send…
//     plan.Sent(due, now_ns);
//   }
//   plan.Close(now_ns);
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "client/bench/clock.h"
#include "client/bench/schedule.h"

namespace gild::bench {

// A send later than this after its planned moment is a late one.
inline constexpr int64_t kLateNs = kNsPerSecond / 1000;

class Plan {
 public:
  // Ends with the last moment before `length_ns`, or with the one that makes it `tasks_max`.
  Plan(Schedule schedule, int64_t length_ns, uint64_t tasks_max);

  // The next planned moment; nothing when there is none left.
  std::optional<int64_t> next() const;
  // REQUIRES: next()
  int64_t Take();
  // Moments that were taken have been sent together: late when the last of them is. REQUIRES: not empty
  void Sent(const std::vector<int64_t>& planned_ns, int64_t now_ns);
  // The loop is over: moments that have passed by now and were not taken are planned, too.
  void Close(int64_t now_ns);

  uint64_t planned() const { return planned_; }
  uint64_t sent() const { return sent_; }
  uint64_t unsent() const { return planned_ - sent_; }
  uint64_t late() const { return late_; }
  int64_t late_max_ns() const { return late_max_ns_; }
  // Planned moment to send, over all that were sent: what a task waited for its batch is in it.
  int64_t lag_sum_ns() const { return lag_sum_ns_; }

 private:
  Schedule schedule_;
  const int64_t length_ns_;
  const uint64_t tasks_max_;
  int64_t next_ns_;
  uint64_t planned_ = 0;
  uint64_t sent_ = 0;
  uint64_t late_ = 0;
  int64_t late_max_ns_ = 0;
  int64_t lag_sum_ns_ = 0;
};

}  // namespace gild::bench
