// One Executor.Run, from before its client calls until it is answered.
//
// Its tags come on its queue's one thread, Arrived before Gone; Ended comes on any.
//
//   Post ─▶ Arrived ─┬─ invalid or refused ───────────────▶ Finish ─▶ Finished
//                    └─ Submit ─▶ Ended ──────────────────▶ Finish ─▶ Finished
//                            └─▶ its id, if asked for: Announced ─┘       and, once, at any time after Arrived: Gone
#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/async_unary_call.h>

#include <atomic>
#include <cstddef>
#include <memory>
#include <string>

#include "server/service/executor_call.h"

namespace gild {

class RunCall : public std::enable_shared_from_this<RunCall> {
 public:
  // Waits for a client on this queue, unless no more calls are waited for. Each call that arrives posts the next.
  static void Post(const CallContext* context, CompletionQueue* queue);

  RunCall(const CallContext* context, CompletionQueue* queue)
      : live_(context->live), context_(context), queue_(queue), responder_(&rpc_) {}

 private:
  void Wait();
  void Arrived(bool ok);
  void Refuse(const Refusal& refusal, LaneKind lane);
  void Announce(const std::string& task_id);
  void Announced(bool ok);
  void Ended(const Task& task, Outcome&& outcome);
  void FinishWhenBothAreDone();
  void Finish();
  void FinishWithError(const grpc::Status& status);
  void Finished(bool ok);
  void Gone(bool ok);

  LiveCall live_;  // first
  const CallContext* const context_;
  CompletionQueue* const queue_;
  grpc::ServerContext rpc_;
  // Request and reply lie in here: both have many small parts.
  alignas(std::max_align_t) char block_[2 << 10];
  google::protobuf::Arena memory_{block_, sizeof block_};
  v1::RunRequest* const request_ = google::protobuf::Arena::CreateMessage<v1::RunRequest>(&memory_);
  v1::RunReply* const reply_ = google::protobuf::Arena::CreateMessage<v1::RunReply>(&memory_);
  grpc::ServerAsyncResponseWriter<v1::RunReply> responder_;
  int64_t reply_bytes_ = 0;
  uint64_t serial_ = 0;  // queue's thread only; 0: not accepted
  // What the answer waits for: the task's end, and that its id is announced.
  std::atomic<int> awaited_{1};
  CallEvent<RunCall> arrived_{&RunCall::Arrived};
  CallEvent<RunCall> announced_{&RunCall::Announced};
  CallEvent<RunCall> finished_{&RunCall::Finished};
  CallEvent<RunCall> gone_{&RunCall::Gone};
};

}  // namespace gild
