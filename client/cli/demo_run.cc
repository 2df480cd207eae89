#include "client/cli/demo_run.h"

#include <chrono>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/synchronization/mutex.h"
#include "client/cli/exit_code.h"
#include "client/cli/words.h"

namespace gild::cli {
namespace {

using Clock = std::chrono::steady_clock;

std::string HintFor(const v1::Outcome& outcome) {
  const std::string& type = outcome.error().type();
  if (type == "ModuleNotFoundError")
    return "install it where the server runs: apt-get install python3-pil python3-numpy";
  if (type == "ConnectionRefusedError") {
    return "the demo's pages are on this machine's loopback: run it where the server runs, or give --url-file";
  }
  return Explain(outcome, "").hint;
}

Failure FailureOf(const std::string& title, const v1::Outcome& outcome) {
  std::string what = Explain(outcome, outcome.error().message()).cause;
  if (outcome.has_error()) {
    // SyntaxError's message may span lines; the first says it.
    what = absl::StrCat(EndingWord(outcome.ending()), ", ", OneLine(outcome.error().type()), ": ",
                        OneLine(outcome.error().message()));
  } else if (what.empty()) {
    what = EndingWord(outcome.ending());
  }
  return {{absl::StrCat("the demo failed: ", title, ": a task ended as ", what), HintFor(outcome)}, kExitRaised};
}

Failure FailureOf(const absl::Status& status, const std::string& address) {
  const ServerError error = ServerError::From(status);
  return {Explain(error, address), ExitCode(error)};
}

// A batch under way. The client's own thread, which brings an outcome, also submits the next task: a round trip costs
// no switch to another thread.
class Run {
 public:
  Run(Client* client, const std::string& address, const Workload& workload, v1::Tag tag, ProgressBar* progress)
      : client_(client), address_(address), workload_(workload), tag_(tag), progress_(progress) {
    outcomes_.resize(workload.tasks);
    calls_.resize(workload.tasks);
  }

  // Submits one more, unless there is none or one has failed. Any thread.
  void SubmitNext() ABSL_LOCKS_EXCLUDED(mutex_) {
    size_t index = 0;
    {
      absl::MutexLock lock(&mutex_);
      if (failed_ || next_ == workload_.tasks) return;
      index = next_++;
      ++under_way_;
    }
    v1::Task task = workload_.task(index);
    task.set_tag(tag_);
    Client::Call call = client_->RunAsync(
        std::move(task), [this, index](absl::StatusOr<v1::Outcome> outcome) { Done(index, std::move(outcome)); });
    absl::MutexLock lock(&mutex_);
    calls_[index] = call;
    if (failed_) call.Cancel();
  }

  // Waits for what is under way, then for nothing: the run is done.
  bool Finish(Clock::time_point* last_reply, std::vector<v1::Outcome>* outcomes, Failure* failure)
      ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    mutex_.Await(absl::Condition(
        +[](size_t* under_way) { return *under_way == 0; }, &under_way_));
    *last_reply = last_reply_;
    *outcomes = std::move(outcomes_);
    *failure = failure_;
    return !failed_;
  }

 private:
  void Done(size_t index, absl::StatusOr<v1::Outcome> outcome) ABSL_LOCKS_EXCLUDED(mutex_) {
    size_t done = 0;
    {
      absl::MutexLock lock(&mutex_);
      last_reply_ = Clock::now();
      done = ++done_;
      if (!outcome.ok()) {
        Fail(FailureOf(outcome.status(), address_));
      } else if (outcome->ending() != v1::SUCCEEDED) {
        Fail(FailureOf(workload_.title, *outcome));
      } else {
        outcomes_[index] = *std::move(outcome);
      }
    }
    SubmitNext();
    progress_->Set(done);
    // Last: once nothing is under way, the run and the bar may go.
    absl::MutexLock lock(&mutex_);
    --under_way_;
  }

  void Fail(Failure failure) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (failed_) return;  // the first is the one to keep
    failed_ = true;
    failure_ = std::move(failure);
    for (Client::Call& call : calls_) call.Cancel();
  }

  Client* const client_;
  const std::string address_;
  const Workload& workload_;
  const v1::Tag tag_;
  ProgressBar* const progress_;

  absl::Mutex mutex_;
  size_t next_ ABSL_GUARDED_BY(mutex_) = 0;
  size_t under_way_ ABSL_GUARDED_BY(mutex_) = 0;
  size_t done_ ABSL_GUARDED_BY(mutex_) = 0;
  bool failed_ ABSL_GUARDED_BY(mutex_) = false;
  Failure failure_ ABSL_GUARDED_BY(mutex_);
  Clock::time_point last_reply_ ABSL_GUARDED_BY(mutex_);
  std::vector<v1::Outcome> outcomes_ ABSL_GUARDED_BY(mutex_);
  std::vector<Client::Call> calls_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace

bool RunBatch(Client* client, const std::string& address, const Workload& workload, v1::Tag tag, size_t outstanding,
              const Terminal& terminal, const std::string& label, Batch* batch, Failure* failure) {
  ProgressBar progress(terminal, label, workload.tasks);
  Run run(client, address, workload, tag, &progress);
  const Clock::time_point begin = Clock::now();
  for (size_t i = 0; i < outstanding; ++i) run.SubmitNext();
  Clock::time_point last_reply;
  if (!run.Finish(&last_reply, &batch->outcomes, failure)) return false;
  batch->wall = absl::FromChrono(last_reply - begin);
  const std::string complaint = workload.check(batch->outcomes);
  if (complaint.empty()) return true;
  *failure = {{absl::StrCat("the demo failed: ", workload.title, ": ", complaint), ""}, kExitRaised};
  return false;
}

bool WarmUp(Client* client, const std::string& address, const Workload& workload, v1::Tag tag, size_t times,
            const Terminal& terminal, Failure* failure) {
  Workload warm_up = workload;
  warm_up.tasks = times;
  warm_up.task = [&workload](size_t) { return workload.warm_up(); };
  warm_up.check = [](const std::vector<v1::Outcome>&) { return std::string(); };
  Batch batch;
  return RunBatch(client, address, warm_up, tag, times, terminal, workload.title + ", warming up", &batch, failure);
}

bool DrawPictures(Client* client, const std::string& address, size_t count, size_t outstanding,
                  const Terminal& terminal, std::vector<std::string>* pictures, Failure* failure) {
  Batch drawn;
  if (!RunBatch(client, address, PicturesWorkload(count), v1::CPU, outstanding, terminal, "drawing the pictures",
                &drawn, failure)) {
    return false;
  }
  for (v1::Outcome& outcome : drawn.outcomes) {
    pictures->push_back(std::move(*outcome.mutable_result()->mutable_raw()));
  }
  return true;
}

}  // namespace gild::cli
