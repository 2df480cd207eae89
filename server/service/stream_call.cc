#include "server/service/stream_call.h"

#include <algorithm>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/base/clock.h"
#include "server/ipc/channel.h"
#include "server/service/refusals.h"
#include "server/service/task_from_wire.h"
#include "server/service/task_watches.h"
#include "server/service/to_wire.h"
#include "server/task/capacity.h"

namespace gild {
namespace {

// One message of outcomes, but for what else the last of them has to say: enough to be cheap, small enough to be on its
// way soon.
constexpr size_t kReplyBytes = 1 << 20;
// An outcome of a stream with so many tasks in flight waits so long for others: a message costs more than a small task,
// and at that rate nobody can tell.
constexpr size_t kHeldFromTasks = 64;
constexpr int64_t kHeldNs = 100 * kNsPerUs;

// What the user's code made and has no small bound.
size_t LargePartsBytes(const Outcome& outcome) {
  size_t bytes = outcome.out.size() + outcome.err.size() + outcome.result.bytes.size();
  for (const File& file : outcome.files) bytes += file.content.size();
  return bytes;
}

}  // namespace

void StreamCall::Post(const CallContext* context, CompletionQueue* queue) {
  if (context->live->Post()) std::make_shared<StreamCall>(context, queue)->Wait();
}

void StreamCall::Wait() {
  // As in RunCall::Wait.
  rpc_.AsyncNotifyWhenDone(gone_.AsVoid());
  arrived_.Arm(shared_from_this());
  context_->rpcs->RequestRunStream(&rpc_, &stream_, queue_->grpc(), queue_->grpc(), arrived_.AsVoid());
}

void StreamCall::Arrived(bool ok) {
  if (!ok) return;  // the server shuts down
  live_.Arrived();
  gone_.Arm(shared_from_this());
  Post(context_, queue_);
  Pump();
}

// ---- the queue's thread ----

void StreamCall::ReadDone(bool ok) {
  reading_ = false;
  if (!ok) {
    ForgetRequest();
    absl::MutexLock lock(&mutex_);
    half_closed_ = true;
  } else if (request_->tasks_size() > kStreamTasksMax) {
    return Break(ToStatus(InvalidField{"tasks", absl::StrCat("are more than ", kStreamTasksMax, " in one message")}));
  } else {
    CancelAsked();
  }
  Pump();
}

void StreamCall::CancelAsked() {
  for (const uint64_t serial : SerialsOf(request_->cancel_client_ids())) context_->scheduler->Cancel(serial, NowNs());
  for (const uint64_t serial : SerialsOf(request_->withdraw_client_ids())) {
    context_->scheduler->Withdraw(serial, NowNs());
  }
}

std::vector<uint64_t> StreamCall::SerialsOf(const google::protobuf::RepeatedField<uint64_t>& client_ids) {
  std::vector<uint64_t> serials;
  absl::MutexLock lock(&mutex_);
  for (const uint64_t client_id : client_ids) {
    const auto found = in_flight_.find(client_id);
    if (found != in_flight_.end()) serials.push_back(found->second);
  }
  return serials;
}

void StreamCall::Pump() {
  const SendTogether together;
  while (next_task_ < request_->tasks_size()) {
    v1::StreamTask* const task = request_->mutable_tasks(next_task_);
    bool is_new;
    {
      absl::MutexLock lock(&mutex_);
      if (over_ || !HasRoom()) return;  // Written comes back here
      is_new = in_flight_.emplace(task->client_id(), 0).second;
    }
    ++next_task_;
    SubmitOne(task, is_new);
  }
  {
    absl::MutexLock lock(&mutex_);
    if (over_ || reading_) return;
    if (half_closed_) {
      if (!in_flight_.empty() || waiting_outcomes_ > 0) return;
      over_ = true;
      finished_.Arm(shared_from_this());
      return stream_.Finish(grpc::Status::OK, finished_.AsVoid());
    }
  }
  // Also while the window is full: the next message may cancel something. Its tasks are held in hand then.
  ForgetRequest();
  reading_ = true;
  read_.Arm(shared_from_this());
  // gRPC tells the client of each read that there is room for more: 20 us that no task has to wait for.
  queue_->AfterSends([self = shared_from_this()] { self->stream_.Read(self->request_, self->read_.AsVoid()); });
}

void StreamCall::ForgetRequest() {
  request_memory_.Reset();
  request_ = google::protobuf::Arena::CreateMessage<v1::RunStreamRequest>(&request_memory_);
  next_task_ = 0;
}

bool StreamCall::HasRoom() const {
  const size_t tasks = in_flight_.size() + waiting_outcomes_;
  const size_t bytes = waiting_bytes_ + (in_flight_.size() + 1) * expected_bytes_;
  return tasks == 0 || (tasks < static_cast<size_t>(kStreamTasksMax) && bytes <= static_cast<size_t>(kStreamBytesMax));
}

void StreamCall::SubmitOne(v1::StreamTask* wire, bool is_new) {
  const uint64_t client_id = wire->client_id();
  const auto refuse = [this, client_id, is_new](const grpc::Status& status, const char* reason) {
    context_->metrics->Refused(reason);
    absl::MutexLock lock(&mutex_);
    if (is_new) in_flight_.erase(client_id);
    if (over_) return;
    v1::StreamOutcome* const outcome = AddOutcome(0);
    outcome->set_client_id(client_id);
    // ToStatus has put a google.rpc.Status into the details.
    google::rpc::Status* const refusal = outcome->mutable_refusal();
    if (!refusal->ParseFromString(status.error_details())) refusal->Clear();
    refusal->set_code(status.error_code());
    refusal->set_message(status.error_message());
    Deliver(*outcome);
  };

  auto read = TaskFromWire(std::move(*wire->mutable_task()), context_->functions, context_->task_memory_bytes_max);
  if (!is_new) read = InvalidField{"tasks.client_id", "is that of another task in flight"};
  if (!std::holds_alternative<Task>(read)) {
    const MissingFunction* missing = std::get_if<MissingFunction>(&read);
    return missing != nullptr ? refuse(ToStatus(*missing), "function_missing")
                              : refuse(ToStatus(std::get<InvalidField>(read)), "invalid_argument");
  }

  Task& task = std::get<Task>(read);
  const LaneKind lane = task.lane;
  const auto submitted = context_->scheduler->Submit(
      std::move(task),
      [self = shared_from_this(), client_id](const Task& ended, Outcome&& outcome) {
        self->Ended(client_id, ended, std::move(outcome));
      },
      NowNs());
  if (const Refusal* refusal = std::get_if<Refusal>(&submitted)) {
    return refuse(ToStatus(*refusal, lane), Name(refusal->reason));
  }
  const uint64_t serial = std::get<uint64_t>(submitted);
  bool broken;
  {
    absl::MutexLock lock(&mutex_);
    broken = over_;
    const auto found = in_flight_.find(client_id);
    if (found != in_flight_.end()) found->second = serial;
  }
  if (broken) context_->scheduler->Cancel(serial, NowNs());  // while it was being submitted
}

void StreamCall::Written(bool ok) {
  std::vector<uint64_t> resumed;
  {
    absl::MutexLock lock(&mutex_);
    waiting_bytes_ -= writing_->bytes;
    waiting_outcomes_ -= writing_->message->outcomes_size();
    writing_.reset();
    if (!ok) {
      over_ = true;  // Gone stops the tasks
      DropWaiting();
    }
    WriteSome();
    if (paused_ && waiting_bytes_ < static_cast<size_t>(kStreamBytesMax) / 2) {
      paused_ = false;
      resumed = Serials();
    }
  }
  if (!resumed.empty()) context_->scheduler->Resume(resumed, NowNs());
  Pump();
}

void StreamCall::Finished(bool) {}

void StreamCall::Gone(bool) {
  if (rpc_.IsCancelled()) Break(grpc::Status::CANCELLED);
}

// ---- any thread ----

void StreamCall::Ended(uint64_t client_id, const Task& task, Outcome&& outcome) {
  context_->watches->Ended(task, outcome);
  context_->metrics->TaskEnded(task, outcome);
  bool broken;
  std::vector<uint64_t> paused;
  {
    absl::MutexLock lock(&mutex_);
    in_flight_.erase(client_id);
    if (over_) return;
    v1::StreamOutcome* const wire = AddOutcome(LargePartsBytes(outcome));
    wire->set_client_id(client_id);
    ToWire(task, std::move(outcome), wire->mutable_outcome());
    Deliver(*wire);
    broken = waiting_bytes_ > static_cast<size_t>(kStreamBytesBroken);
    if (!paused_ && waiting_bytes_ > static_cast<size_t>(kStreamBytesMax)) {
      paused_ = true;
      paused = Serials();
    }
  }
  if (!paused.empty()) context_->scheduler->Pause(paused, NowNs());
  if (broken) {
    Break(grpc::Status(grpc::StatusCode::RESOURCE_EXHAUSTED,
                       absl::StrCat("the client leaves more than ", kStreamBytesBroken >> 20,
                                    " MiB of outcomes unread; the rest of its tasks are stopped")));
  }
}

v1::StreamOutcome* StreamCall::AddOutcome(size_t about_bytes) {
  const bool fits = !waiting_.empty() && waiting_.back()->bytes + about_bytes <= kReplyBytes;
  if (!fits) waiting_.push_back(std::make_unique<Reply>());
  return waiting_.back()->message->add_outcomes();
}

void StreamCall::Deliver(const v1::StreamOutcome& outcome) {
  const size_t bytes = outcome.ByteSizeLong();
  ++waiting_outcomes_;
  waiting_bytes_ += bytes;
  waiting_.back()->bytes += bytes;
  // Up at once, down by and by.
  expected_bytes_ = std::max(bytes, expected_bytes_ - expected_bytes_ / 4);
  WriteLater();
}

void StreamCall::DropWaiting() {
  waiting_.clear();
  waiting_outcomes_ = writing_ == nullptr ? 0 : writing_->message->outcomes_size();
  waiting_bytes_ = writing_ == nullptr ? 0 : writing_->bytes;
}

void StreamCall::WriteLater() {
  if (writing_ != nullptr || std::exchange(will_write_, true)) return;
  auto write = [self = shared_from_this()] {
    absl::MutexLock lock(&self->mutex_);
    self->will_write_ = false;
    self->WriteSome();
  };
  if (in_flight_.size() < kHeldFromTasks) {
    context_->poller->Post(std::move(write));
  } else {
    context_->poller->RunAt(NowNs() + kHeldNs, [queue = queue_, write = std::move(write)] { queue->Post(write); });
  }
}

void StreamCall::WriteSome() {
  if (writing_ != nullptr || over_ || waiting_.empty()) return;
  writing_ = std::move(waiting_.front());
  waiting_.pop_front();
  written_.Arm(shared_from_this());
  stream_.Write(*writing_->message, written_.AsVoid());
}

std::vector<uint64_t> StreamCall::Serials() const {
  std::vector<uint64_t> serials;
  for (const auto& [client_id, serial] : in_flight_) {
    if (serial != 0) serials.push_back(serial);
  }
  return serials;
}

void StreamCall::Break(const grpc::Status& status) {
  std::vector<uint64_t> serials;
  {
    absl::MutexLock lock(&mutex_);
    serials = Serials();
    if (!over_) {
      over_ = true;
      DropWaiting();
      if (writing_ != nullptr) {
        // A status would wait behind a message that the client does not read.
        rpc_.TryCancel();
      } else {
        finished_.Arm(shared_from_this());
        stream_.Finish(status, finished_.AsVoid());
      }
    }
  }
  for (const uint64_t serial : serials) context_->scheduler->Cancel(serial, NowNs());
}

}  // namespace gild
