// TaskWatch: what a task prints, and how far it says it is, while it waits and runs (Executor.Watch).
//
// Next and Finish on one thread; Cancel from any. Its server holds back what is not read, and drops nothing.
//
//   std::unique_ptr<TaskWatch> watch = client.OpenWatch(task_id);
//   v1::WatchReply reply;
//   while (watch->Next(&reply)) Show(reply);
//   absl::Status status = watch->Finish();
#pragma once

#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "gild/v1/executor.grpc.pb.h"

namespace gild {

class TaskWatch {
 public:
  // `executor` outlives it. Use Client::OpenWatch. May block until there is a connection.
  TaskWatch(v1::Executor::Stub* executor, const std::string& task_id);
  TaskWatch(const TaskWatch&) = delete;
  TaskWatch& operator=(const TaskWatch&) = delete;
  // Ends the watch; the task goes on.
  ~TaskWatch();

  // Blocks until there is news. False: there will be none.
  bool Next(v1::WatchReply* reply) { return reader_->Read(reply); }
  // Drops what has not been read. OK: the task has ended, and this was all of it. NOT_FOUND: it had ended before. Else
  // why it cannot be watched (any more). Once.
  absl::Status Finish();

  void Cancel() { context_.TryCancel(); }

 private:
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReader<v1::WatchReply>> reader_;
  bool finished_ = false;
};

}  // namespace gild
