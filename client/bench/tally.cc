#include "client/bench/tally.h"

#include <utility>

#include "client/cpp/server_error.h"

namespace gild::bench {
namespace {

int64_t Ns(const google::protobuf::Duration& duration) { return duration.seconds() * 1'000'000'000 + duration.nanos(); }

v1::Outcome WithoutPayload(const v1::Outcome& outcome) {
  v1::Outcome kept;
  kept.set_task_id(outcome.task_id());
  kept.set_ending(outcome.ending());
  kept.set_lane(outcome.lane());
  *kept.mutable_error() = outcome.error();
  *kept.mutable_evidence() = outcome.evidence();
  *kept.mutable_usage() = outcome.usage();
  return kept;
}

}  // namespace

absl::Status Tally::Count(const absl::StatusOr<const v1::Outcome*>& answer, int64_t planned_ns, int64_t now_ns) {
  if (!answer.ok()) {
    const ServerError error = ServerError::From(answer.status());
    if (error.kind != ServerError::Kind::kRefused) {
      ++unanswered;
      return answer.status();
    }
    const bool known = refused.size() < kReasonsMax || refused.count(error.reason) != 0;
    ++refused[!known || error.reason.empty() ? "other" : error.reason];
    return absl::OkStatus();
  }
  const v1::Outcome& outcome = **answer;
  samples.push_back({now_ns, now_ns - planned_ns});
  ++endings[v1::Ending_IsValid(outcome.ending()) ? outcome.ending() : v1::ENDING_UNSPECIFIED];
  ++lanes[v1::Lane_IsValid(outcome.lane()) ? outcome.lane() : v1::NO_LANE];
  if (outcome.ending() != v1::SUCCEEDED && !first_other) first_other = WithoutPayload(outcome);
  const v1::Usage& usage = outcome.usage();
  queue_ns += Ns(usage.queue());
  dispatch_ns += Ns(usage.dispatch());
  run_ns += Ns(usage.run());
  wait_ns += Ns(outcome.lock().wait());
  hold_ns += Ns(outcome.lock().hold());
  if (usage.has_run() && !outcome.has_lock()) ++ran_unseen;
  return absl::OkStatus();
}

void Tally::Add(Tally other) {
  samples.insert(samples.end(), other.samples.begin(), other.samples.end());
  for (const auto& [ending, tasks] : other.endings) endings[ending] += tasks;
  for (const auto& [lane, tasks] : other.lanes) lanes[lane] += tasks;
  for (const auto& [reason, tasks] : other.refused) refused[reason] += tasks;
  unanswered += other.unanswered;
  queue_ns += other.queue_ns;
  dispatch_ns += other.dispatch_ns;
  run_ns += other.run_ns;
  wait_ns += other.wait_ns;
  hold_ns += other.hold_ns;
  ran_unseen += other.ran_unseen;
  if (!first_other) first_other = std::move(other.first_other);
}

}  // namespace gild::bench
