// The little of gRPC's asynchronous API that gild uses: tags that know what to do, and a thread for each queue.
//
// One thread a queue, so what a call's tags do is done one after another, in the order of the queue: the arrival of a
// call before its cancel. Tags belong to whoever started the operation and must live until they are completed.
//
//   CompletionQueues queues(&builder, 1);
//   auto server = builder.BuildAndStart();
//   queues.Start();
//   … server->Shutdown(); wait until no operation is outstanding and none can start …
//   queues.Shutdown();
#pragma once

#include <grpcpp/completion_queue.h>
#include <grpcpp/server_builder.h>

#include <memory>
#include <thread>
#include <vector>

namespace gild {

// Passed to gRPC as void* (`AsVoid`), so that the cast is the same on both sides.
class CompletionTag {
 public:
  virtual ~CompletionTag() = default;
  // `ok` as the operation says; the tag may be gone when it returns.
  virtual void Complete(bool ok) = 0;
  void* AsVoid() { return this; }
};

class CompletionQueues {
 public:
  CompletionQueues(grpc::ServerBuilder* builder, int count);
  ~CompletionQueues();

  const std::vector<std::unique_ptr<grpc::ServerCompletionQueue>>& queues() const { return queues_; }

  void Start();
  // Ends the threads. REQUIRES: the server is shut down; no operation is outstanding, none is started any more.
  void Shutdown();

 private:
  std::vector<std::unique_ptr<grpc::ServerCompletionQueue>> queues_;
  std::vector<std::thread> threads_;
  bool shut_down_ = false;
};

}  // namespace gild
