#include "server/service/executor_service.h"

#include <grpcpp/server_context.h>

#include <optional>

#include "absl/strings/str_cat.h"
#include "server/service/refusals.h"
#include "server/service/run_call.h"
#include "server/service/stream_call.h"

namespace gild {
namespace {

// Calls that wait for their client, a queue. More than one, so that a burst is not taken one wake-up at a time.
constexpr int kPostedRuns = 64;
constexpr int kPostedStreams = 4;

grpc::Status Later(const char* rpc) {
  return grpc::Status(grpc::StatusCode::UNIMPLEMENTED, std::string("Executor.") + rpc + " comes in a later version");
}

std::optional<InvalidField> ProblemOf(const v1::PutFunctionRequest& request) {
  const size_t bytes = request.pickled_function().size();
  if (bytes == 0) return InvalidField{"pickled_function", "is empty"};
  if (bytes <= static_cast<size_t>(kFunctionBytesMax)) return std::nullopt;
  return InvalidField{"pickled_function", absl::StrCat("is longer than ", kFunctionBytesMax, " bytes")};
}

}  // namespace

// The synchronous half: what is not there yet.
struct ExecutorService::Rpcs : public AsyncExecutor {
  using Context = grpc::ServerContext;
  grpc::Status Submit(Context*, const v1::SubmitRequest*, v1::SubmitReply*) override { return Later("Submit"); }
  grpc::Status Get(Context*, const v1::GetRequest*, v1::GetReply*) override { return Later("Get"); }
  grpc::Status Wait(Context*, const v1::WaitRequest*, v1::GetReply*) override { return Later("Wait"); }
  grpc::Status Cancel(Context*, const v1::CancelRequest*, v1::CancelReply*) override { return Later("Cancel"); }
  grpc::Status List(Context*, const v1::ListRequest*, v1::ListReply*) override { return Later("List"); }
};

ExecutorService::ExecutorService(Scheduler* scheduler, Poller* poller, Metrics* metrics, int64_t unread_bytes_max,
                                 int64_t task_memory_bytes_max)
    : rpcs_(std::make_unique<Rpcs>()),
      watches_({.wait = [this](auto... arguments) { rpcs_->RequestWatch(arguments...); },
                .scheduler = scheduler,
                .poller = poller,
                .live = &live_}),
      context_{.rpcs = rpcs_.get(),
               .scheduler = scheduler,
               .poller = poller,
               .metrics = metrics,
               .functions = &functions_,
               .watches = &watches_,
               .live = &live_,
               .unread_bytes = &unread_bytes_,
               .unread_bytes_max = unread_bytes_max,
               .task_memory_bytes_max = task_memory_bytes_max},
      put_function_{.wait = [this](auto... arguments) { rpcs_->RequestPutFunction(arguments...); },
                    .answer =
                        [this](const v1::PutFunctionRequest& request, v1::PutFunctionReply* reply) {
                          if (auto invalid = ProblemOf(request)) return ToStatus(*invalid);
                          reply->set_function_sha256(functions_.Put(request.pickled_function())->sha256);
                          return grpc::Status::OK;
                        },
                    .live = &live_} {}

ExecutorService::~ExecutorService() = default;

grpc::Service* ExecutorService::service() { return rpcs_.get(); }

void ExecutorService::Start(const CompletionQueues& queues) {
  for (const auto& queue : queues.queues()) {
    for (int i = 0; i < kPostedRuns; ++i) RunCall::Post(&context_, queue.get());
    for (int i = 0; i < kPostedStreams; ++i) StreamCall::Post(&context_, queue.get());
    UnaryCall<v1::PutFunctionRequest, v1::PutFunctionReply>::Post(&put_function_, queue->grpc());
    watches_.Post(queue->grpc());
  }
}

}  // namespace gild
