// UnaryCall answers a method on a completion queue at once, on the queue's thread.
//
//   UnaryMethod<v1::GetInfoRequest, v1::Info> get_info{
//       .wait = [&](auto... arguments) { rpcs.RequestGetInfo(arguments...); },
//       .answer = [&](const v1::GetInfoRequest&, v1::Info* reply) { … return grpc::Status::OK; },
//       .live = &live};
//   UnaryCall<v1::GetInfoRequest, v1::Info>::Post(&get_info, queue);  // once: each call that arrives posts the next
#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/async_unary_call.h>

#include <functional>
#include <memory>

#include "server/service/calls.h"

namespace gild {

// Lives as long as its calls.
template <typename Request, typename Reply>
struct UnaryMethod {
  // The generated RequestX.
  std::function<void(grpc::ServerContext*, Request*, grpc::ServerAsyncResponseWriter<Reply>*, grpc::CompletionQueue*,
                     grpc::ServerCompletionQueue*, void* tag)>
      wait;
  // Must not block.
  std::function<grpc::Status(const Request&, Reply*)> answer;
  LiveCalls* live;
};

template <typename Request, typename Reply>
class UnaryCall : public std::enable_shared_from_this<UnaryCall<Request, Reply>> {
 public:
  using Method = UnaryMethod<Request, Reply>;

  // Waits for a client on this queue, unless no more calls are waited for.
  static void Post(const Method* method, grpc::ServerCompletionQueue* queue) {
    if (!method->live->Post()) return;
    const auto call = std::make_shared<UnaryCall>(method, queue);
    call->arrived_.Arm(call);
    method->wait(&call->rpc_, &call->request_, &call->responder_, queue, queue, call->arrived_.AsVoid());
  }

  UnaryCall(const Method* method, grpc::ServerCompletionQueue* queue)
      : live_(method->live), method_(method), queue_(queue), responder_(&rpc_) {}

 private:
  void Arrived(bool ok) {
    if (!ok) return;  // the server shuts down
    live_.Arrived();
    Post(method_, queue_);
    const grpc::Status status = method_->answer(request_, &reply_);
    finished_.Arm(this->shared_from_this());
    if (status.ok()) {
      responder_.Finish(reply_, status, finished_.AsVoid());
    } else {
      responder_.FinishWithError(status, finished_.AsVoid());
    }
  }
  void Finished(bool) {}

  LiveCall live_;  // first
  const Method* const method_;
  grpc::ServerCompletionQueue* const queue_;
  grpc::ServerContext rpc_;
  Request request_;
  Reply reply_;
  grpc::ServerAsyncResponseWriter<Reply> responder_;
  CallEvent<UnaryCall> arrived_{&UnaryCall::Arrived};
  CallEvent<UnaryCall> finished_{&UnaryCall::Finished};
};

}  // namespace gild
