#include "client/cpp/task_stream.h"

#include <pthread.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_format.h"
#include "client/cpp/client.h"
#include "client/cpp/server_error.h"
#include "google/protobuf/arena.h"
#include "google/rpc/status.pb.h"

namespace gild {
namespace {

constexpr size_t kMessageTasksMax = 1024;
// Large enough to be cheap; a larger task goes alone.
constexpr size_t kBatchBytesMax = 1 << 20;
// Of the memory that a message of outcomes lies in: one outcome has many small parts.
constexpr size_t kReplyBlockBytes = 4 << 10;
constexpr size_t kReplyBlockBytesMax = 64 << 10;

absl::Status RefusalOf(const google::rpc::Status& refusal) {
  return ToAbsl(
      grpc::Status(static_cast<grpc::StatusCode>(refusal.code()), refusal.message(), refusal.SerializeAsString()));
}

}  // namespace

TaskStream::TaskStream(v1::Executor::Stub* executor, Options options)
    : options_{.window = std::max<size_t>(1, options.window),
               .message_tasks_max = std::clamp<size_t>(options.message_tasks_max, 1, kMessageTasksMax)},
      stream_(executor->RunStream(&context_)),
      writer_([this] { Write(); }),
      reader_([this] { Read(); }) {
  pthread_setname_np(writer_.native_handle(), "gild-write");
  pthread_setname_np(reader_.native_handle(), "gild-read");
}

TaskStream::~TaskStream() {
  {
    absl::MutexLock lock(&mutex_);
    closing_ = true;
    if (!over_ && !in_flight_.empty()) context_.TryCancel();
  }
  writer_.join();
  reader_.join();
}

absl::StatusOr<uint64_t> TaskStream::Run(v1::Task task, Callback done) {
  if (absl::Status status = Client::CheckSize(task); !status.ok()) return status;
  absl::MutexLock lock(&mutex_);
  AwaitRoom(1);
  if (absl::Status status = MayRun(); !status.ok()) return status;
  Enqueue(std::move(task), std::move(done));
  return last_id_;
}

absl::Status TaskStream::RunBatch(std::vector<Item> items) {
  for (const Item& item : items) {
    if (absl::Status status = Client::CheckSize(item.task); !status.ok()) return status;
  }
  if (items.size() > options_.window) {
    return absl::InvalidArgumentError(
        absl::StrFormat("the batch has %d tasks; the window is %d", items.size(), options_.window));
  }
  absl::MutexLock lock(&mutex_);
  AwaitRoom(items.size());
  if (absl::Status status = MayRun(); !status.ok()) return status;
  for (Item& item : items) Enqueue(std::move(item.task), std::move(item.done));
  return absl::OkStatus();
}

absl::Status TaskStream::MayRun() const {
  if (closing_) return absl::FailedPreconditionError("Finish was called");
  return broken_ ? status_ : absl::OkStatus();
}

void TaskStream::AwaitRoom(size_t tasks) {
  // A callback must not wait for room, which only its own thread makes; its task has just made some.
  if (std::this_thread::get_id() == reader_.get_id()) return;
  const auto has_room = [this, tasks]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return HasRoom(tasks); };
  mutex_.Await(absl::Condition(&has_room));
}

void TaskStream::Enqueue(v1::Task task, Callback done) {
  v1::StreamTask& unsent = unsent_.emplace_back();
  unsent.set_client_id(++last_id_);
  *unsent.mutable_task() = std::move(task);
  in_flight_.emplace(last_id_, std::move(done));
}

void TaskStream::Cancel(uint64_t id) {
  absl::MutexLock lock(&mutex_);
  if (!over_ && in_flight_.count(id) != 0) cancels_.push_back(id);
}

absl::Status TaskStream::Finish() {
  absl::MutexLock lock(&mutex_);
  closing_ = true;
  mutex_.Await(absl::Condition(&over_));
  return status_;
}

bool TaskStream::HasRoom(size_t tasks) const {
  return broken_ || closing_ || in_flight_.size() + tasks <= options_.window;
}

bool TaskStream::HasWork() const { return broken_ || MayClose() || !unsent_.empty() || !cancels_.empty(); }

bool TaskStream::MayClose() const { return closing_ && in_flight_.empty(); }

void TaskStream::Write() {
  while (true) {
    v1::RunStreamRequest batch;
    bool close = false;
    {
      absl::MutexLock lock(&mutex_);
      mutex_.Await(absl::Condition(this, &TaskStream::HasWork));
      if (broken_) return;
      // The server looks for cancels before it takes the message's tasks.
      for (const uint64_t id : cancels_) {
        if (id <= last_sent_) batch.add_cancel_client_ids(id);
      }
      std::erase_if(cancels_, [this](uint64_t id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return id <= last_sent_; });
      for (size_t bytes = 0;
           !unsent_.empty() && static_cast<size_t>(batch.tasks_size()) < options_.message_tasks_max;) {
        bytes += unsent_.front().ByteSizeLong();
        if (batch.tasks_size() > 0 && bytes > kBatchBytesMax) break;
        last_sent_ = unsent_.front().client_id();
        *batch.add_tasks() = std::move(unsent_.front());
        unsent_.pop_front();
      }
      close = MayClose();
    }
    if (close) {
      stream_->WritesDone();
      return;
    }
    if (!stream_->Write(batch)) return;  // the reader learns why
  }
}

void TaskStream::Read() {
  google::protobuf::ArenaOptions blocks;
  blocks.start_block_size = kReplyBlockBytes;
  blocks.max_block_size = kReplyBlockBytesMax;
  google::protobuf::Arena memory(blocks);
  while (true) {
    memory.Reset();
    auto& reply = *google::protobuf::Arena::CreateMessage<v1::RunStreamReply>(&memory);
    if (!stream_->Read(&reply)) break;
    for (const v1::StreamOutcome& outcome : reply.outcomes()) {
      Callback done;
      {
        absl::MutexLock lock(&mutex_);
        const auto found = in_flight_.find(outcome.client_id());
        if (found == in_flight_.end()) continue;  // the server's mistake: one callback was promised
        done = std::move(found->second);
        in_flight_.erase(found);
      }
      if (outcome.has_refusal()) {
        done(RefusalOf(outcome.refusal()));
      } else {
        done(&outcome.outcome());
      }
    }
  }
  absl::Status status = ToAbsl(stream_->Finish());
  std::unordered_map<uint64_t, Callback> left;
  {
    absl::MutexLock lock(&mutex_);
    left.swap(in_flight_);
    unsent_.clear();
    cancels_.clear();
    if (status.ok() && !closing_) status = absl::UnavailableError("the server ended the stream");
    status_ = status;
    broken_ = true;
  }
  for (auto& [id, done] : left) done(status);
  absl::MutexLock lock(&mutex_);
  over_ = true;
}

}  // namespace gild
