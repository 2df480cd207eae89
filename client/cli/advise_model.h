// The model of `gild advise`: what copies of a script at once will do in each lane, from what one costs alone.
//
// Pure functions: any thread.
//
// A run alone takes `run`: it has the lock for `hold`, computes in C code off the lock for `native`, and waits for the
// rest. Around it the client sees the call and its way there and back, most of it processor time of the client and the
// server. So, a second, no more runs than these come to an end:
//
//   copies / wall                      none is quicker than alone: wall = run + around
//   1 / hold                           in the I/O lane, one has the lock at a time
//   interpreters / run                 in the CPU lane, each runs one at a time
//   cores / (hold + native + around)   nor are there more cores
//
// In the I/O lane a take that finds the lock taken puts the thread to sleep and costs a wake-up, and what the core's
// cache has forgotten meanwhile: kHandOver. As often as others have the lock it is taken; and the time is missed where
// C code off the lock has the cores: with one copy more of it than there are cores, always. It is added to all three
// bounds.
//
// The least of them is the prediction. In the I/O lane the bounds give way gradually: before the lock or the cores have
// no time left, a copy finds them taken now and then. rate^-4 = sum of bound^-4 is close to what closed queues of that
// kind do: 16 % less where two bounds meet, 1 % where one is twice the other.
//
// A lane's figures alone are its own: C code may cost more in one process with others than in one of its own, as
// allocating large pictures does.
#pragma once

#include <cstddef>

#include "absl/time/time.h"
#include "gild/v1/task.pb.h"

namespace gild::cli {

// One run, alone in a lane: means over some, one after another. Without what it waited for a core: that is others'
// doing.
struct AloneCost {
  absl::Duration wall;  // submitted to answered, at the client
  absl::Duration run;
  absl::Duration hold;
  absl::Duration native;  // processor time beyond `hold`: a lower bound
  double takes = 0;       // of the lock

  // Processor time, with what is around the run.
  absl::Duration OnCores() const;
  // Of the run.
  double HoldShare() const;
  double NativeShare() const;
  double WaitingShare() const;
};

struct Places {
  size_t cores = 1;
  size_t processes = 1;  // interpreters of the CPU lane
  size_t threads = 1;    // of the I/O lane
};

// Seen: 110 to 130 µs with blocks of 100,000 sines, which find the lock taken once in twelve times; 130 to 170 µs with
// small pictures, which find it taken every other time.
inline constexpr absl::Duration kHandOver = absl::Microseconds(130);

// Runs a second with so many copies at once.
double PredictedRate(v1::Lane lane, const AloneCost& alone, const Places& places, size_t copies);

// A lane that does at least so much of the other's is as good.
inline constexpr double kAsGood = 0.9;
// IO where threads are as good: they share memory, and one process.
v1::Tag TagFor(double io_rate, double cpu_rate);

// What to run, for a report within the time that is left.
struct AdvicePlan {
  size_t copies = 0;  // at once
  bool lowered = false;
  // Alone and at once in turns, so that what else the machine does meets both; the quickest round counts. 0: no time
  // for any.
  size_t rounds = 0;
  bool measure = false;  // copies at once; else only what one costs alone
  // In each round.
  size_t io_alone = 1;
  size_t cpu_alone = 1;
  size_t io_tasks = 0;
  size_t cpu_tasks = 0;
};

// `io` and `cpu`: from one run each. `copies`: as asked for; 0: as many as the kind of work suggests.
AdvicePlan PlanFor(const AloneCost& io, const AloneCost& cpu, const Places& places, size_t copies,
                   absl::Duration time_left);

}  // namespace gild::cli
