#include "client/cpp/client.h"

#include <pthread.h>

#include <chrono>
#include <cstddef>
#include <utility>
#include <vector>

#include "absl/strings/str_format.h"
#include "client/cpp/durations.h"
#include "google/protobuf/arena.h"

namespace gild {
namespace {

constexpr absl::Duration kWallDefault = absl::Seconds(30);
constexpr absl::Duration kQueueDefault = absl::Seconds(60);
constexpr absl::Duration kReplyAllowance = absl::Seconds(2);
constexpr absl::Duration kMonitorDeadline = absl::Seconds(10);
constexpr absl::Duration kPutDeadline = absl::Seconds(60);
// The most a deadline may be: far beyond every ceiling, and far from overflow.
constexpr absl::Duration kDeadlineMax = absl::Hours(24 * 7);
constexpr char kTaskIdMetadata[] = "gild-task-id";  // as executor.proto says
// Field tags and the envelope around a task.
constexpr int kEnvelopeBytes = 1 << 20;
constexpr size_t kReplyBlockBytes = 2 << 10;

std::shared_ptr<grpc::Channel> MakeChannel(const std::string& address) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxSendMessageSize(kClientMessageBytesMax + kEnvelopeBytes);
  arguments.SetMaxReceiveMessageSize(kClientMessageBytesMax + kEnvelopeBytes);
  // Two clients of one address are two connections, not one in disguise.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  // At most once: gRPC's own retries would break that, and buffer every message for it.
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  // An http_proxy in the environment would swallow calls to loopback.
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  return grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments);
}

void SetDeadline(absl::Duration deadline, grpc::ClientContext* context) {
  context->set_deadline(std::chrono::system_clock::now() + absl::ToChronoMicroseconds(deadline));
}

}  // namespace

struct Client::Underway {
  // Of the queue.
  struct Tag {
    Underway* call;
    void (Client::*handler)(Underway*);
  };

  explicit Underway(Callback done, AcceptedCallback accepted) : done(std::move(done)), accepted(std::move(accepted)) {}

  Tag accepted_tag{this, &Client::Accepted};
  Tag ended_tag{this, &Client::Ended};
  grpc::ClientContext context;
  // The reply lies in here: an outcome has many small parts.
  alignas(std::max_align_t) char reply_block[kReplyBlockBytes];
  google::protobuf::Arena reply_memory{reply_block, sizeof reply_block};
  v1::RunReply* const reply = google::protobuf::Arena::CreateMessage<v1::RunReply>(&reply_memory);
  grpc::Status status;
  std::unique_ptr<grpc::ClientAsyncResponseReader<v1::RunReply>> reader;
  Callback done;
  AcceptedCallback accepted;
  absl::Mutex reading;  // ReadInitialMetadata is at work: it tells the reader last of all that it was called
};

void Client::Call::Cancel() {
  if (const std::shared_ptr<Underway> call = call_.lock()) call->context.TryCancel();
}

Client::Client(const std::string& address)
    : channel_(MakeChannel(address)),
      executor_(v1::Executor::NewStub(channel_)),
      monitor_(v1::Monitor::NewStub(channel_)),
      thread_([this] { RunCallbacks(); }) {
  pthread_setname_np(thread_.native_handle(), "gild-client");
}

Client::~Client() {
  std::vector<std::shared_ptr<Underway>> left;
  {
    absl::MutexLock lock(&mutex_);
    for (const auto& [key, call] : underway_) left.push_back(call);
  }
  for (const auto& call : left) call->context.TryCancel();
  left.clear();
  {
    absl::MutexLock lock(&mutex_);
    mutex_.Await(absl::Condition(
        +[](decltype(underway_)* calls) { return calls->empty(); }, &underway_));
  }
  queue_.Shutdown();
  thread_.join();
}

absl::Status Client::CheckSize(const v1::Task& task) {
  const size_t bytes = task.ByteSizeLong();
  if (bytes <= static_cast<size_t>(kClientMessageBytesMax)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrFormat("the task is %.1f MiB with its arguments; 48 MiB is the most", bytes / 1048576.0));
}

absl::Duration Client::DeadlineOf(const v1::Limits& limits) {
  const absl::Duration wall = FromProto(limits.wall());
  const absl::Duration queue = FromProto(limits.queue());
  const absl::Duration sum = (wall > absl::ZeroDuration() ? wall : kWallDefault) +
                             (queue > absl::ZeroDuration() ? queue : kQueueDefault) + kReplyAllowance;
  return std::min(sum, kDeadlineMax);
}

absl::StatusOr<v1::Outcome> Client::Run(v1::Task task) {
  if (absl::Status status = CheckSize(task); !status.ok()) return status;
  grpc::ClientContext context;
  SetDeadline(DeadlineOf(task.limits()), &context);
  v1::RunRequest request;
  *request.mutable_task() = std::move(task);
  v1::RunReply reply;
  const grpc::Status status = executor_->Run(&context, request, &reply);
  if (!status.ok()) return ToAbsl(status);
  return std::move(*reply.mutable_outcome());
}

Client::Call Client::RunAsync(v1::Task task, Callback done, AcceptedCallback accepted) {
  auto call = std::make_shared<Underway>(std::move(done), std::move(accepted));
  SetDeadline(DeadlineOf(task.limits()), &call->context);
  v1::RunRequest request;
  request.set_announce_id(call->accepted != nullptr);
  if (absl::Status status = CheckSize(task); status.ok()) {
    *request.mutable_task() = std::move(task);
  } else {
    // Let the callback thread say so: the callback never comes from within RunAsync. The empty task is not sent.
    call->context.TryCancel();
    call->done = [status, done = std::move(call->done)](absl::StatusOr<const v1::Outcome*>) { done(status); };
  }
  {
    absl::MutexLock lock(&mutex_);
    underway_.emplace(call.get(), call);
  }
  call->reader = executor_->PrepareAsyncRun(&call->context, request, &queue_);
  call->reader->StartCall();
  if (call->accepted) {
    absl::MutexLock lock(&call->reading);
    call->reader->ReadInitialMetadata(&call->accepted_tag);
  } else {
    call->reader->Finish(call->reply, &call->status, &call->ended_tag);
  }
  return Call(call);
}

void Client::RunCallbacks() {
  void* tag = nullptr;
  bool ok = false;
  while (queue_.Next(&tag, &ok)) {
    const auto& [call, handler] = *static_cast<Underway::Tag*>(tag);
    (this->*handler)(call);
  }
}

// Or refused, or answered by a server that announces nothing: then there is no id.
void Client::Accepted(Underway* call) {
  { absl::MutexLock lock(&call->reading); }  // until ReadInitialMetadata has returned
  const auto& metadata = call->context.GetServerInitialMetadata();
  const auto id = metadata.find(kTaskIdMetadata);
  if (id != metadata.end()) call->accepted(std::string(id->second.data(), id->second.size()));
  call->reader->Finish(call->reply, &call->status, &call->ended_tag);
}

void Client::Ended(Underway* call) {
  if (call->status.ok()) {
    call->done(&call->reply->outcome());
  } else {
    call->done(ToAbsl(call->status));
  }
  // The memory goes outside the lock.
  std::shared_ptr<Underway> last;
  absl::MutexLock lock(&mutex_);
  const auto found = underway_.find(call);
  last = std::move(found->second);
  underway_.erase(found);
}

absl::StatusOr<std::string> Client::PutFunction(std::string pickled_function) {
  grpc::ClientContext context;
  SetDeadline(kPutDeadline, &context);
  v1::PutFunctionRequest request;
  request.set_pickled_function(std::move(pickled_function));
  v1::PutFunctionReply reply;
  const grpc::Status status = executor_->PutFunction(&context, request, &reply);
  if (!status.ok()) return ToAbsl(status);
  return std::move(*reply.mutable_function_sha256());
}

absl::StatusOr<v1::Info> Client::GetInfo() {
  grpc::ClientContext context;
  SetDeadline(kMonitorDeadline, &context);
  v1::Info info;
  const grpc::Status status = monitor_->GetInfo(&context, v1::GetInfoRequest(), &info);
  if (!status.ok()) return ToAbsl(status);
  return info;
}

absl::StatusOr<v1::Stats> Client::GetStats() {
  grpc::ClientContext context;
  SetDeadline(kMonitorDeadline, &context);
  v1::Stats stats;
  const grpc::Status status = monitor_->GetStats(&context, v1::GetStatsRequest(), &stats);
  if (!status.ok()) return ToAbsl(status);
  return stats;
}

absl::Status Client::WatchStats(absl::Duration interval, const std::function<bool(const v1::Stats&)>& next) {
  grpc::ClientContext context;
  v1::WatchStatsRequest request;
  *request.mutable_interval() = ToProto(interval);
  const auto stream = monitor_->WatchStats(&context, request);
  v1::Stats stats;
  while (stream->Read(&stats)) {
    if (next(stats)) continue;
    context.TryCancel();
    while (stream->Read(&stats)) continue;
    (void)stream->Finish();
    return absl::OkStatus();
  }
  const grpc::Status status = stream->Finish();
  return status.ok() ? absl::UnavailableError("the server ended the stream") : ToAbsl(status);
}

}  // namespace gild
