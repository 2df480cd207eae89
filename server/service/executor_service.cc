#include "server/service/executor_service.h"

#include <grpcpp/server_context.h>
#include <grpcpp/support/async_unary_call.h>

#include <atomic>
#include <chrono>
#include <utility>
#include <variant>

#include "gild/v1/executor.grpc.pb.h"
#include "server/base/clock.h"
#include "server/base/errors.h"
#include "server/service/convert.h"

namespace gild {
namespace {

// Calls that wait for their client, a queue. More than one, so that a burst is not taken one wake-up at a time.
constexpr int kPostedCalls = 64;
// A client's own deadline and the server's copy of it pass within a round trip of each other.
constexpr auto kDeadlineSlack = std::chrono::milliseconds(20);

grpc::Status Later(const char* rpc) {
  return grpc::Status(grpc::StatusCode::UNIMPLEMENTED, std::string("Executor.") + rpc + " comes in a later version");
}

bool IsZero(int* number) { return *number == 0; }

}  // namespace

// The synchronous half: what is not there yet.
struct ExecutorService::Rpcs : public v1::Executor::WithAsyncMethod_Run<v1::Executor::Service> {
  using Context = grpc::ServerContext;
  grpc::Status RunStream(Context*, grpc::ServerReaderWriter<v1::RunStreamReply, v1::RunStreamRequest>*) override {
    return Later("RunStream");
  }
  grpc::Status PutFunction(Context*, const v1::PutFunctionRequest*, v1::PutFunctionReply*) override {
    return Later("PutFunction");
  }
  grpc::Status Watch(Context*, const v1::WatchRequest*, grpc::ServerWriter<v1::WatchReply>*) override {
    return Later("Watch");
  }
  grpc::Status Submit(Context*, const v1::SubmitRequest*, v1::SubmitReply*) override { return Later("Submit"); }
  grpc::Status Get(Context*, const v1::GetRequest*, v1::GetReply*) override { return Later("Get"); }
  grpc::Status Wait(Context*, const v1::WaitRequest*, v1::GetReply*) override { return Later("Wait"); }
  grpc::Status Cancel(Context*, const v1::CancelRequest*, v1::CancelReply*) override { return Later("Cancel"); }
  grpc::Status List(Context*, const v1::ListRequest*, v1::ListReply*) override { return Later("List"); }
};

// Counts a call from before it is posted until the last of it is freed.
class ExecutorService::Live {
 public:
  explicit Live(ExecutorService* service) : service_(service) {}  // counted by Post
  ~Live() {
    absl::MutexLock lock(&service_->mutex_);
    --service_->live_calls_;
    if (arrived_) --service_->in_flight_;
  }
  void Arrived() {
    absl::MutexLock lock(&service_->mutex_);
    arrived_ = true;
    ++service_->in_flight_;
  }

 private:
  ExecutorService* const service_;
  bool arrived_ = false;
};

// One Run, from before its client calls. Its tags come on its queue's one thread, Arrived before Gone; Ended comes on
// any.
//
//   Post ─▶ Arrived ─┬─ invalid or refused ─▶ Finish ─▶ Finished
//                    └─ Submit ─▶ Ended ────▶ Finish ─▶ Finished       and, once, at any time after Arrived: Gone
class ExecutorService::RunCall : public std::enable_shared_from_this<RunCall> {
 public:
  RunCall(ExecutorService* service, grpc::ServerCompletionQueue* queue)
      : live_(service), service_(service), queue_(queue), responder_(&context_) {}

  void Post() {
    // Must be asked for before the call arrives. For a call that never does, the tag never comes: it holds no reference
    // until Arrived.
    context_.AsyncNotifyWhenDone(gone_.AsVoid());
    arrived_.Arm(shared_from_this());
    service_->rpcs_->RequestRun(&context_, &request_, &responder_, queue_, queue_, arrived_.AsVoid());
  }

 private:
  // A tag, and the reference that keeps the call alive while gRPC has it.
  class Event final : public CompletionTag {
   public:
    explicit Event(void (RunCall::*handler)(bool)) : handler_(handler) {}
    void Arm(std::shared_ptr<RunCall> call) {
      call_ = std::move(call);
      armed_.store(true, std::memory_order_release);
    }
    void Complete(bool ok) override {
      // gRPC's queue orders the two as well; this does not rest on how.
      GILD_CHECK(armed_.load(std::memory_order_acquire));
      const std::shared_ptr<RunCall> kept = std::move(call_);
      (kept.get()->*handler_)(ok);
    }

   private:
    void (RunCall::*const handler_)(bool);
    std::shared_ptr<RunCall> call_;
    std::atomic<bool> armed_{false};
  };

  void Arrived(bool ok) {
    if (!ok) return;  // the server shuts down
    live_.Arrived();
    gone_.Arm(shared_from_this());
    service_->Post(queue_);

    auto read = TaskFromWire(std::move(*request_.mutable_task()));
    request_.Clear();
    if (const InvalidField* invalid = std::get_if<InvalidField>(&read)) {
      service_->metrics_->Refused("invalid_argument");
      return FinishWithError(ToStatus(*invalid));
    }
    Task& task = std::get<Task>(read);
    const LaneKind lane = task.lane;
    const auto submitted = service_->scheduler_->Submit(
        std::move(task),
        [self = shared_from_this()](const Task& ended, Outcome outcome) { self->Ended(ended, std::move(outcome)); },
        NowNs());
    if (const Refusal* refusal = std::get_if<Refusal>(&submitted)) {
      service_->metrics_->Refused(Name(refusal->reason));
      return FinishWithError(ToStatus(*refusal, lane));
    }
    serial_ = std::get<uint64_t>(submitted);
  }

  void Ended(const Task& task, Outcome outcome) {
    service_->metrics_->TaskEnded(task, outcome);
    ToWire(task, std::move(outcome), reply_.mutable_outcome());
    finished_.Arm(shared_from_this());
    responder_.Finish(reply_, grpc::Status::OK, finished_.AsVoid());
  }

  void FinishWithError(const grpc::Status& status) {
    finished_.Arm(shared_from_this());
    responder_.FinishWithError(status, finished_.AsVoid());
  }

  // `ok` or not: the client has the answer, or is no longer there to have it.
  void Finished(bool) {}

  // The call is over: answered, cancelled, disconnected or past its deadline.
  void Gone(bool) {
    if (serial_ == 0 || !context_.IsCancelled()) return;
    if (std::chrono::system_clock::now() + kDeadlineSlack >= context_.deadline()) {
      service_->scheduler_->DeadlinePassed(serial_, NowNs());
    } else {
      service_->scheduler_->Cancel(serial_, NowNs());
    }
  }

  Live live_;  // first, so that it is counted until all the rest is freed
  ExecutorService* const service_;
  grpc::ServerCompletionQueue* const queue_;
  grpc::ServerContext context_;
  v1::RunRequest request_;
  v1::RunReply reply_;
  grpc::ServerAsyncResponseWriter<v1::RunReply> responder_;
  uint64_t serial_ = 0;  // queue's thread only; 0: not accepted
  Event arrived_{&RunCall::Arrived};
  Event finished_{&RunCall::Finished};
  Event gone_{&RunCall::Gone};
};

ExecutorService::ExecutorService(Scheduler* scheduler, Metrics* metrics)
    : scheduler_(scheduler), metrics_(metrics), rpcs_(std::make_unique<Rpcs>()) {}

ExecutorService::~ExecutorService() = default;

grpc::Service* ExecutorService::service() { return rpcs_.get(); }

void ExecutorService::Start(const CompletionQueues& queues) {
  for (const auto& queue : queues.queues()) {
    for (int i = 0; i < kPostedCalls; ++i) Post(queue.get());
  }
}

void ExecutorService::Post(grpc::ServerCompletionQueue* queue) {
  {
    absl::MutexLock lock(&mutex_);
    if (!posting_) return;
    ++live_calls_;
  }
  std::make_shared<RunCall>(this, queue)->Post();
}

void ExecutorService::StopPosting() {
  absl::MutexLock lock(&mutex_);
  posting_ = false;
}

void ExecutorService::AwaitNoneInFlight(absl::Duration limit) {
  absl::MutexLock lock(&mutex_);
  mutex_.AwaitWithTimeout(absl::Condition(&IsZero, &in_flight_), limit);
}

void ExecutorService::AwaitNoCalls() {
  absl::MutexLock lock(&mutex_);
  mutex_.Await(absl::Condition(&IsZero, &live_calls_));
}

}  // namespace gild
