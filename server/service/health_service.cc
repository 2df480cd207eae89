#include "server/service/health_service.h"

#include <grpcpp/server_context.h>
#include <grpcpp/support/async_stream.h>

#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/service/convert.h"
#include "server/task/capacity.h"

namespace gild {
namespace {

using V1 = grpc::health::v1::Health;

std::optional<grpc::Status> ErrorOf(const grpc::health::v1::HealthCheckRequest& request) {
  if (request.service().size() <= kHealthNameBytesMax) return std::nullopt;
  return ToStatus(InvalidField{"service", absl::StrCat("is longer than ", kHealthNameBytesMax, " bytes")});
}

}  // namespace

struct HealthService::Rpcs : public V1::WithAsyncMethod_Check<V1::WithAsyncMethod_Watch<V1::Service>> {};

// One Watch. Its tags come on its queue's one thread; Tell comes on any.
class HealthService::WatchCall : public std::enable_shared_from_this<WatchCall> {
 public:
  static void Post(HealthService* service, grpc::ServerCompletionQueue* queue) {
    if (!service->live_.Post()) return;
    const auto call = std::make_shared<WatchCall>(service, queue);
    // Must be asked for before the call arrives; holds no reference until then.
    call->rpc_.AsyncNotifyWhenDone(call->gone_.AsVoid());
    call->arrived_.Arm(call);
    service->rpcs_->RequestWatch(&call->rpc_, &call->request_, &call->writer_, queue, queue, call->arrived_.AsVoid());
  }

  WatchCall(HealthService* service, grpc::ServerCompletionQueue* queue)
      : live_(&service->live_), service_(service), queue_(queue), writer_(&rpc_) {}

  // Writes the present status unless the client has it.
  void Tell() ABSL_LOCKS_EXCLUDED(mutex_) {
    {
      absl::MutexLock lock(&mutex_);
      if (over_ || writing_) return;
      const Response::ServingStatus status = service_->StatusOf(request_.service());
      if (told_ == status) return;
      told_ = status;
      writing_ = true;
      response_.set_status(status);
      written_.Arm(shared_from_this());
    }
    // Outside the lock; nobody else writes until Written.
    writer_.Write(response_, written_.AsVoid());
  }

 private:
  void Arrived(bool ok) {
    if (!ok) return;  // the server shuts down
    live_.Arrived();
    gone_.Arm(shared_from_this());
    Post(service_, queue_);
    if (const auto error = ErrorOf(request_)) return Finish(*error);
    if (!service_->Add(shared_from_this())) {
      return Finish(
          {grpc::StatusCode::RESOURCE_EXHAUSTED, absl::StrCat("there are ", kHealthWatchesMax, " watches already")});
    }
    Tell();
  }

  void Written(bool ok) {
    {
      absl::MutexLock lock(&mutex_);
      writing_ = false;
      over_ = over_ || !ok;
    }
    Tell();  // what has changed meanwhile
  }

  void Finish(const grpc::Status& status) {
    finished_.Arm(shared_from_this());
    writer_.Finish(status, finished_.AsVoid());
  }
  void Finished(bool) {}

  void Gone(bool) {
    {
      absl::MutexLock lock(&mutex_);
      over_ = true;
    }
    service_->Remove(shared_from_this());
  }

  LiveCall live_;  // first
  HealthService* const service_;
  grpc::ServerCompletionQueue* const queue_;
  grpc::ServerContext rpc_;
  Request request_;
  Response response_;  // whose turn it is says writing_
  grpc::ServerAsyncWriter<Response> writer_;
  CallEvent<WatchCall> arrived_{&WatchCall::Arrived};
  CallEvent<WatchCall> written_{&WatchCall::Written};
  CallEvent<WatchCall> finished_{&WatchCall::Finished};
  CallEvent<WatchCall> gone_{&WatchCall::Gone};

  absl::Mutex mutex_;
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool over_ ABSL_GUARDED_BY(mutex_) = false;
  std::optional<Response::ServingStatus> told_ ABSL_GUARDED_BY(mutex_);
};

HealthService::HealthService(const std::vector<std::string>& names)
    : rpcs_(std::make_unique<Rpcs>()),
      check_{.wait = [this](auto... arguments) { rpcs_->RequestCheck(arguments...); },
             .answer = [this](const Request& request, Response* response) { return Check(request, response); },
             .live = &live_} {
  for (const std::string& name : names) serving_[name] = false;
}

HealthService::~HealthService() = default;

grpc::Service* HealthService::service() { return rpcs_.get(); }

void HealthService::Start(const CompletionQueues& queues) {
  for (const auto& queue : queues.queues()) {
    UnaryCall<Request, Response>::Post(&check_, queue.get());
    WatchCall::Post(this, queue.get());
  }
}

void HealthService::Set(const std::string& name, bool serving) {
  std::vector<std::shared_ptr<WatchCall>> watches;
  {
    absl::MutexLock lock(&mutex_);
    serving_[name] = serving;
    watches.assign(watches_.begin(), watches_.end());
  }
  for (const auto& watch : watches) watch->Tell();
}

grpc::Status HealthService::Check(const Request& request, Response* response) const {
  if (auto error = ErrorOf(request)) return *std::move(error);
  response->set_status(StatusOf(request.service()));
  if (response->status() == Response::SERVICE_UNKNOWN) return {grpc::StatusCode::NOT_FOUND, "service: nobody's name"};
  return grpc::Status::OK;
}

grpc::health::v1::HealthCheckResponse::ServingStatus HealthService::StatusOf(const std::string& name) const {
  absl::MutexLock lock(&mutex_);
  const auto found = serving_.find(name);
  if (found == serving_.end()) return Response::SERVICE_UNKNOWN;
  return found->second ? Response::SERVING : Response::NOT_SERVING;
}

bool HealthService::Add(const std::shared_ptr<WatchCall>& watch) {
  absl::MutexLock lock(&mutex_);
  if (watches_.size() >= kHealthWatchesMax) return false;
  watches_.insert(watch);
  return true;
}

void HealthService::Remove(const std::shared_ptr<WatchCall>& watch) {
  absl::MutexLock lock(&mutex_);
  watches_.erase(watch);
}

}  // namespace gild
