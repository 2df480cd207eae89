#include "server/service/health_service.h"

#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/service/refusals.h"
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

HealthService::HealthService(const std::vector<std::string>& names)
    : rpcs_(std::make_unique<Rpcs>()),
      check_{.wait = [this](auto... arguments) { rpcs_->RequestCheck(arguments...); },
             .answer = [this](const Request& request, Response* response) { return Check(request, response); },
             .live = &live_},
      watch_{.wait = [this](auto... arguments) { rpcs_->RequestWatch(arguments...); },
             .arrived = [this](const std::shared_ptr<Watch>& watch) { return Add(watch); },
             .latest =
                 [this](const Watch& watch, Response* message) {
                   const auto told = message->status();  // UNKNOWN, which is nobody's status, when nothing was yet
                   message->set_status(StatusOf(watch.request().service()));
                   return Latest{.is_new = message->status() != told};
                 },
             .written = [](const std::shared_ptr<Watch>& watch) { watch->Tell(); },  // what has changed meanwhile
             .gone = [this](const std::shared_ptr<Watch>& watch) { Remove(watch); },
             .live = &live_} {
  for (const std::string& name : names) serving_[name] = false;
}

HealthService::~HealthService() = default;

grpc::Service* HealthService::service() { return rpcs_.get(); }

void HealthService::Start(const CompletionQueues& queues) {
  for (const auto& queue : queues.queues()) {
    UnaryCall<Request, Response>::Post(&check_, queue->grpc());
    Watch::Post(&watch_, queue->grpc());
  }
}

void HealthService::Set(const std::string& name, bool serving) {
  std::vector<std::shared_ptr<Watch>> watches;
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

grpc::Status HealthService::Add(const std::shared_ptr<Watch>& watch) {
  if (auto error = ErrorOf(watch->request())) return *std::move(error);
  absl::MutexLock lock(&mutex_);
  if (watches_.size() >= kHealthWatchesMax) {
    return {grpc::StatusCode::RESOURCE_EXHAUSTED, absl::StrCat("there are ", kHealthWatchesMax, " watches already")};
  }
  watches_.insert(watch);
  return grpc::Status::OK;
}

void HealthService::Remove(const std::shared_ptr<Watch>& watch) {
  absl::MutexLock lock(&mutex_);
  watches_.erase(watch);
}

}  // namespace gild
