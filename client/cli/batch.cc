#include "client/cli/batch.h"

#include <chrono>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace gild::cli {
namespace {

using Clock = std::chrono::steady_clock;

// A batch under way. The client's own thread, which brings an outcome, also submits the next task: a round trip costs
// no switch to another thread.
class Run {
 public:
  Run(Client* client, const Batch& batch, ProgressBar* progress)
      : client_(client), batch_(batch), progress_(progress), calls_(batch.tasks) {}

  // Submits one more, unless there is none or one has failed. Any thread.
  void SubmitNext() ABSL_LOCKS_EXCLUDED(mutex_) {
    size_t index = 0;
    {
      absl::MutexLock lock(&mutex_);
      if (failed_ || next_ == batch_.tasks) return;
      index = next_++;
      ++under_way_;
    }
    Client::Call call = client_->RunAsync(
        batch_.task(index), [this, index](absl::StatusOr<const v1::Outcome*> outcome) { Done(index, outcome); });
    absl::MutexLock lock(&mutex_);
    calls_[index] = call;
    if (failed_) call.Cancel();
  }

  // Waits for what is under way, then for nothing: the run is done.
  bool Finish(Clock::time_point* last_reply, BatchFailure* failure) ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    mutex_.Await(absl::Condition(
        +[](size_t* under_way) { return *under_way == 0; }, &under_way_));
    *last_reply = last_reply_;
    *failure = std::move(failure_);
    return !failed_;
  }

 private:
  void Done(size_t index, const absl::StatusOr<const v1::Outcome*>& outcome) ABSL_LOCKS_EXCLUDED(mutex_) {
    size_t done = 0;
    {
      absl::MutexLock lock(&mutex_);
      last_reply_ = Clock::now();
      done = ++done_;
      if (!outcome.ok()) {
        Fail({.status = outcome.status()});
      } else if ((*outcome)->ending() != v1::SUCCEEDED) {
        Fail({.outcome = **outcome});
      } else {
        batch_.keep(index, **outcome);
      }
    }
    SubmitNext();
    progress_->Set(done);
    // Last: once nothing is under way, the run and the bar may go.
    absl::MutexLock lock(&mutex_);
    --under_way_;
  }

  void Fail(BatchFailure failure) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (failed_) return;  // the first is the one to keep
    failed_ = true;
    failure_ = std::move(failure);
    for (Client::Call& call : calls_) call.Cancel();
  }

  Client* const client_;
  const Batch& batch_;
  ProgressBar* const progress_;

  absl::Mutex mutex_;
  size_t next_ ABSL_GUARDED_BY(mutex_) = 0;
  size_t under_way_ ABSL_GUARDED_BY(mutex_) = 0;
  size_t done_ ABSL_GUARDED_BY(mutex_) = 0;
  bool failed_ ABSL_GUARDED_BY(mutex_) = false;
  BatchFailure failure_ ABSL_GUARDED_BY(mutex_);
  Clock::time_point last_reply_ ABSL_GUARDED_BY(mutex_);
  std::vector<Client::Call> calls_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace

std::optional<absl::Duration> RunBatch(Client* client, const Batch& batch, const Terminal& terminal,
                                       BatchFailure* failure) {
  ProgressBar progress(terminal, batch.label, batch.tasks);
  Run run(client, batch, &progress);
  const Clock::time_point begin = Clock::now();
  for (size_t i = 0; i < batch.outstanding; ++i) run.SubmitNext();
  Clock::time_point last_reply;
  if (!run.Finish(&last_reply, failure)) return std::nullopt;
  return absl::FromChrono(last_reply - begin);
}

}  // namespace gild::cli
