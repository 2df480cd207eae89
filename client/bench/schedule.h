// Schedule: when the tasks of an open loop are due, whatever the server does.
//
// A plain value, for one thread; it knows no clock. The same seed gives the same moments.
//
//   Schedule schedule(400, Spacing::kPoisson, /*seed=*/7);
//   int64_t first_ns = schedule.Next();   // since the start
#pragma once

#include <cstdint>
#include <random>

namespace gild::bench {

enum class Spacing {
  kPoisson,  // as many independent clients would send: gaps are exponential
  kEven,     // the first at once, then one every 1/rate
};

class Schedule {
 public:
  // REQUIRES: rate > 0, in tasks a second
  Schedule(double rate, Spacing spacing, uint64_t seed) : rate_(rate), spacing_(spacing), dice_(seed) {}

  // Nanoseconds since the start; never earlier than the one before.
  int64_t Next();

 private:
  double rate_;
  Spacing spacing_;
  std::mt19937_64 dice_;
  uint64_t index_ = 0;
  double at_ns_ = 0;
};

}  // namespace gild::bench
