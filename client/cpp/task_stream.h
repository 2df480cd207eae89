// TaskStream: many tasks on one stream (Executor.RunStream), for programs that have thousands of small ones.
//
// Any thread may call Run, Cancel and Finish. Callbacks run on the stream's own thread, one at a time: keep them short;
// they may call Run, but not Finish. Tasks are sent in batches that grow with the load: alone when the stream is idle,
// as many as have gathered when a batch is on its way. RunBatch hands over many at a time, which is the cheapest.
//
// Bounds: Run blocks while `window` tasks are in flight, which bounds this side's memory. The server's own window may
// be smaller (Info.stream_tasks_max): then tasks wait here, unsent.
//
//   std::unique_ptr<TaskStream> stream = client.OpenStream({.window = 256});
//   for (auto& task : tasks) {
//     if (auto id = stream->Run(task, on_outcome); !id.ok()) return id.status();
//   }
//   absl::Status status = stream->Finish();
#pragma once

#include <grpcpp/grpcpp.h>

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <thread>
#include <unordered_map>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "gild/v1/executor.grpc.pb.h"

namespace gild {

class TaskStream {
 public:
  struct Options {
    size_t window = 256;  // tasks in flight, 1 at least
    // Most tasks in one message, 1 to 1024: as many as the window of every server so far has (Info.stream_tasks_max).
    size_t message_tasks_max = 1024;
  };
  // The outcome, which lives until the callback returns: copy what is to be kept of it. Or why the server refused the
  // task, or why the stream broke (whether the task ran is unknown then): ServerError::From reads either.
  using Callback = std::function<void(absl::StatusOr<const v1::Outcome*> outcome)>;

  // `executor` outlives it. Use Client::OpenStream.
  TaskStream(v1::Executor::Stub* executor, Options options);
  TaskStream(const TaskStream&) = delete;
  TaskStream& operator=(const TaskStream&) = delete;
  // Stops what is in flight; every callback has been called when it returns.
  ~TaskStream();

  // Waits for room, then sends the task. `done` is called once, never from within Run. An id for Cancel.
  // An error: the stream is over or Finish was called, or the task is larger than a message; `done` is not called then.
  absl::StatusOr<uint64_t> Run(v1::Task task, Callback done) ABSL_LOCKS_EXCLUDED(mutex_);

  // One task of a batch and who hears of it. Callbacks come as by Run, each on its own.
  struct Item {
    v1::Task task;
    Callback done;
  };
  // As Run for each, all or none, and in one message where they fit into one. Waits for room for all; a batch larger
  // than the window is INVALID_ARGUMENT.
  absl::Status RunBatch(std::vector<Item> items) ABSL_LOCKS_EXCLUDED(mutex_);

  // Stops a task; its outcome then says CANCELLED, unless it was quicker. Nothing happens when it has ended.
  void Cancel(uint64_t id) ABSL_LOCKS_EXCLUDED(mutex_);

  // No further tasks; waits until every callback has returned. OK, or why the stream broke.
  absl::Status Finish() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  void Write() ABSL_LOCKS_EXCLUDED(mutex_);
  void Read() ABSL_LOCKS_EXCLUDED(mutex_);
  bool HasWork() const ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  absl::Status MayRun() const ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  void AwaitRoom(size_t tasks) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Enqueue(v1::Task task, Callback done) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool HasRoom(size_t tasks) const ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  bool MayClose() const ABSL_SHARED_LOCKS_REQUIRED(mutex_);

  const Options options_;
  grpc::ClientContext context_;
  const std::unique_ptr<grpc::ClientReaderWriter<v1::RunStreamRequest, v1::RunStreamReply>> stream_;

  absl::Mutex mutex_;
  uint64_t last_id_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t last_sent_ ABSL_GUARDED_BY(mutex_) = 0;
  std::deque<v1::StreamTask> unsent_ ABSL_GUARDED_BY(mutex_);  // of in_flight_
  std::vector<uint64_t> cancels_ ABSL_GUARDED_BY(mutex_);      // not sent yet; a task's own goes first
  std::unordered_map<uint64_t, Callback> in_flight_ ABSL_GUARDED_BY(mutex_);
  bool closing_ ABSL_GUARDED_BY(mutex_) = false;  // Finish was called
  bool broken_ ABSL_GUARDED_BY(mutex_) = false;   // the stream has ended, well or not
  bool over_ ABSL_GUARDED_BY(mutex_) = false;     // and every callback has returned
  absl::Status status_ ABSL_GUARDED_BY(mutex_);

  // Last: they use all of the above.
  std::thread writer_;
  std::thread reader_;
};

}  // namespace gild
