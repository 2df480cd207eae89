#include "server/service/run_call.h"

#include <chrono>
#include <utility>
#include <variant>

#include "server/base/clock.h"
#include "server/service/refusals.h"
#include "server/service/task_from_wire.h"
#include "server/service/task_watches.h"
#include "server/service/to_wire.h"

namespace gild {
namespace {

// A client's own deadline and the server's copy of it pass within a round trip of each other.
constexpr auto kDeadlineSlack = std::chrono::milliseconds(20);
// From so many calls on, replies go by way of the queue's thread. With few, that way is only longer.
constexpr int kTogetherFromCalls = 16;
constexpr char kTaskIdMetadata[] = "gild-task-id";  // as executor.proto says

}  // namespace

void RunCall::Post(const CallContext* context, CompletionQueue* queue) {
  if (context->live->Post()) std::make_shared<RunCall>(context, queue)->Wait();
}

void RunCall::Wait() {
  // Must be asked for before the call arrives. For a call that never does, the tag never comes: it holds no reference
  // until Arrived.
  rpc_.AsyncNotifyWhenDone(gone_.AsVoid());
  arrived_.Arm(shared_from_this());
  context_->rpcs->RequestRun(&rpc_, request_, &responder_, queue_->grpc(), queue_->grpc(), arrived_.AsVoid());
}

void RunCall::Arrived(bool ok) {
  if (!ok) return;  // the server shuts down
  live_.Arrived();
  gone_.Arm(shared_from_this());
  Post(context_, queue_);

  const bool announce = request_->announce_id();
  auto read = TaskFromWire(std::move(*request_->mutable_task()), context_->functions, context_->task_memory_bytes_max);
  request_->Clear();
  if (const InvalidField* invalid = std::get_if<InvalidField>(&read)) {
    context_->metrics->Refused("invalid_argument");
    return FinishWithError(ToStatus(*invalid));
  }
  if (const MissingFunction* missing = std::get_if<MissingFunction>(&read)) {
    context_->metrics->Refused("function_missing");
    return FinishWithError(ToStatus(*missing));
  }
  Task& task = std::get<Task>(read);
  const LaneKind lane = task.lane;
  if (context_->unread_bytes->load() >= context_->unread_bytes_max) {
    return Refuse({Refusal::Reason::kRepliesUnread, kUnreadRetryNs}, lane);
  }
  std::string task_id;
  if (announce) {
    task_id = task.id;
    awaited_ = 2;
  }
  const auto submitted = context_->scheduler->Submit(
      std::move(task),
      [self = shared_from_this()](const Task& ended, Outcome&& outcome) { self->Ended(ended, std::move(outcome)); },
      NowNs());
  if (const Refusal* refusal = std::get_if<Refusal>(&submitted)) return Refuse(*refusal, lane);
  serial_ = std::get<uint64_t>(submitted);
  if (announce) Announce(task_id);
}

void RunCall::Announce(const std::string& task_id) {
  rpc_.AddInitialMetadata(kTaskIdMetadata, task_id);
  announced_.Arm(shared_from_this());
  responder_.SendInitialMetadata(announced_.AsVoid());
}

void RunCall::Announced(bool) { FinishWhenBothAreDone(); }

void RunCall::Ended(const Task& task, Outcome&& outcome) {
  context_->watches->Ended(task, outcome);
  context_->metrics->TaskEnded(task, outcome);
  ToWire(task, std::move(outcome), reply_->mutable_outcome());
  reply_bytes_ = static_cast<int64_t>(reply_->ByteSizeLong());
  context_->unread_bytes->fetch_add(reply_bytes_);
  FinishWhenBothAreDone();
}

void RunCall::FinishWhenBothAreDone() {
  if (awaited_.fetch_sub(1) > 1) return;
  if (context_->live->InFlight() < kTogetherFromCalls) return Finish();
  queue_->Post([self = shared_from_this()] { self->Finish(); });
}

void RunCall::Finish() {
  finished_.Arm(shared_from_this());
  responder_.Finish(*reply_, grpc::Status::OK, finished_.AsVoid());
}

void RunCall::Refuse(const Refusal& refusal, LaneKind lane) {
  context_->metrics->Refused(Name(refusal.reason));
  FinishWithError(ToStatus(refusal, lane));
}

void RunCall::FinishWithError(const grpc::Status& status) {
  finished_.Arm(shared_from_this());
  responder_.FinishWithError(status, finished_.AsVoid());
}

// `ok` or not: the client has the answer, or is no longer there to have it.
void RunCall::Finished(bool) { context_->unread_bytes->fetch_sub(reply_bytes_); }

// The call is over: answered, cancelled, disconnected or past its deadline.
void RunCall::Gone(bool) {
  if (serial_ == 0 || !rpc_.IsCancelled()) return;
  if (std::chrono::system_clock::now() + kDeadlineSlack >= rpc_.deadline()) {
    context_->scheduler->DeadlinePassed(serial_, NowNs());
  } else {
    context_->scheduler->Cancel(serial_, NowNs());
  }
}

}  // namespace gild
