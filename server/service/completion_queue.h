// The little of gRPC's asynchronous API that gild uses: tags that know what to do, and a thread for each queue.
//
// One thread a queue, so what a call's tags do is done one after another, in the order of the queue: the arrival of a
// call before its cancel. Tags belong to whoever started the operation and must live until they are completed. Tasks
// of calls that come together travel on together (SendTogether).
//
//   CompletionQueues queues(&builder, 1);
//   auto server = builder.BuildAndStart();
//   queues.Start();
//   … server->Shutdown(); wait until no operation is outstanding and none can start …
//   queues.Shutdown();
#pragma once

#include <grpcpp/alarm.h>
#include <grpcpp/completion_queue.h>
#include <grpcpp/server_builder.h>

#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace gild {

// Passed to gRPC as void* (`AsVoid`), so that the cast is the same on both sides.
class CompletionTag {
 public:
  virtual ~CompletionTag() = default;
  // `ok` as the operation says; the tag may be gone when it returns.
  virtual void Complete(bool ok) = 0;
  void* AsVoid() { return this; }
};

class CompletionQueue final : private CompletionTag {
 public:
  explicit CompletionQueue(std::unique_ptr<grpc::ServerCompletionQueue> queue) : queue_(std::move(queue)) {}

  grpc::ServerCompletionQueue* grpc() const { return queue_.get(); }

  // Done on the queue's thread, in the order of the calls. For many replies at a time: two threads at one connection
  // are in each other's way, and gRPC moves their work to a third. From any thread, and as an operation of its own:
  // REQUIRES that Shutdown has not been called.
  void Post(std::function<void()> work) ABSL_LOCKS_EXCLUDED(mutex_);

  // Done when the tasks that have just come are on their way: what need not keep them waiting. REQUIRES: called by a
  // tag, on the queue's thread.
  void AfterSends(std::function<void()> work) { after_sends_.push_back(std::move(work)); }

 private:
  friend class CompletionQueues;

  void Start(const std::string& thread_name);
  void Shutdown();
  // What is posted.
  void Complete(bool ok) override ABSL_LOCKS_EXCLUDED(mutex_);

  const std::unique_ptr<grpc::ServerCompletionQueue> queue_;
  std::thread thread_;
  std::vector<std::function<void()>> after_sends_;  // of the thread

  absl::Mutex mutex_;
  std::vector<std::function<void()>> posted_ ABSL_GUARDED_BY(mutex_);  // while there is any, the alarm is set
  grpc::Alarm alarm_ ABSL_GUARDED_BY(mutex_);
};

class CompletionQueues {
 public:
  CompletionQueues(grpc::ServerBuilder* builder, int count);
  ~CompletionQueues();

  const std::vector<std::unique_ptr<CompletionQueue>>& queues() const { return queues_; }

  void Start();
  // Ends the threads. REQUIRES: the server is shut down; no operation is outstanding, none is started any more.
  void Shutdown();

 private:
  std::vector<std::unique_ptr<CompletionQueue>> queues_;
  bool shut_down_ = false;
};

}  // namespace gild
