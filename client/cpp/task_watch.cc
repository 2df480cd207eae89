#include "client/cpp/task_watch.h"

#include "client/cpp/server_error.h"

namespace gild {

TaskWatch::TaskWatch(v1::Executor::Stub* executor, const std::string& task_id) {
  v1::WatchRequest request;
  request.set_task_id(task_id);
  reader_ = executor->Watch(&context_, request);
}

TaskWatch::~TaskWatch() {
  if (finished_) return;
  Cancel();
  (void)Finish();
}

absl::Status TaskWatch::Finish() {
  finished_ = true;
  v1::WatchReply rest;
  while (reader_->Read(&rest)) continue;
  const grpc::Status status = reader_->Finish();
  return status.ok() ? absl::OkStatus() : ToAbsl(status);
}

}  // namespace gild
