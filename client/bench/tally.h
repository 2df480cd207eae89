// Tally: what came back over one connection.
//
// Passive, for one thread at a time: a connection's callbacks come one by one. Add sums tallies up once the load is
// over. Bounded by the tasks that are sent: a sample for each ending (kTasksMax, load.h).
//
//   Tally tally;
//   tally.Count(outcome, planned_ns, now_ns);   // moments since the start of the measured time
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gild/v1/task.pb.h"

namespace gild::bench {

// One task that has ended.
struct Sample {
  int64_t at_ns;       // when its outcome came
  int64_t latency_ns;  // from its planned moment, in a closed loop from its send
};

struct Tally {
  // Reasons for a refusal are the server's words: the first so many are kept, the rest count as "other".
  static constexpr size_t kReasonsMax = 16;

  // An outcome, a refusal, or a failure. The failure is returned: the connection or the task is at fault, and the load
  // makes no sense any more.
  absl::Status Count(const absl::StatusOr<const v1::Outcome*>& answer, int64_t planned_ns, int64_t now_ns);
  void Add(Tally other);

  // Of tasks that ended, in order of arrival.
  std::deque<Sample> samples;
  std::map<v1::Ending, uint64_t> endings;  // ENDING_UNSPECIFIED: one that this client does not know
  std::map<v1::Lane, uint64_t> lanes;
  std::map<std::string, uint64_t> refused;  // by reason: "QUEUE_FULL"
  // Sent, and neither ended nor refused: cut off by the end of the load or by a failure.
  uint64_t unanswered = 0;
  // Sums over what the server said of the tasks that ended.
  int64_t queue_ns = 0;
  int64_t dispatch_ns = 0;
  int64_t run_ns = 0;
  int64_t wait_ns = 0;
  int64_t hold_ns = 0;
  // Ran, but without a lock that could be seen: then wait and hold are unavailable.
  uint64_t ran_unseen = 0;
  // The first outcome that was no SUCCEEDED, without its result and output.
  std::optional<v1::Outcome> first_other;
};

}  // namespace gild::bench
