// One Executor.RunStream, from before its client calls until it is over.
//
// Flow control from end to end. A task counts against the stream's window from its Submit until its outcome is written;
// while the window is full no further task of the message in hand is submitted, and while there are such the next
// message is not read, so that HTTP/2 stops the sender. The window is kStreamTasksMax tasks, and kStreamBytesMax bytes
// of outcomes: those that wait to be written, and for each task in flight what is expected of it: 4 KiB at first, then
// what the latest outcomes were. When the outcomes that wait fill the window by themselves, the tasks that have not
// started are paused until half of it is written. Those of running tasks that then still grow to kStreamBytesBroken end
// the stream.
//
// Thread rule: tags come on the queue's one thread, which alone reads and submits (Pump); Ended comes on any. What both
// touch is behind the mutex, which is never held while the scheduler is called.
//
//   Post ─▶ Arrived ─▶ Read ⇄ Pump ─▶ half-closed, nothing in flight, all written ─▶ Finish ─▶ Finished
//                        Ended ─▶ Write ─▶ Written ─▶ Pump …             and, once, at any time after Arrived: Gone
#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/async_stream.h>

#include <cstdint>
#include <deque>
#include <memory>
#include <unordered_map>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "google/protobuf/arena.h"
#include "server/service/executor_call.h"

namespace gild {

class StreamCall : public std::enable_shared_from_this<StreamCall> {
 public:
  // Waits for a client on this queue, unless no more calls are waited for. Each call that arrives posts the next.
  static void Post(const CallContext* context, CompletionQueue* queue);

  StreamCall(const CallContext* context, CompletionQueue* queue)
      : live_(context->live), context_(context), queue_(queue), stream_(&rpc_) {
    ForgetRequest();
  }

 private:
  // A message to be written, in memory of its own: an outcome has many small parts.
  struct Reply {
    google::protobuf::Arena arena{MessageMemory()};
    v1::RunStreamReply* const message = google::protobuf::Arena::CreateMessage<v1::RunStreamReply>(&arena);
    size_t bytes = 0;
  };

  void Wait();
  void Arrived(bool ok) ABSL_LOCKS_EXCLUDED(mutex_);
  void ReadDone(bool ok) ABSL_LOCKS_EXCLUDED(mutex_);
  void Written(bool ok) ABSL_LOCKS_EXCLUDED(mutex_);
  void Finished(bool ok);
  void Gone(bool ok) ABSL_LOCKS_EXCLUDED(mutex_);
  void Ended(uint64_t client_id, const Task& task, Outcome&& outcome) ABSL_LOCKS_EXCLUDED(mutex_);

  // Submits what the window has room for, then reads on, or finishes.
  void Pump() ABSL_LOCKS_EXCLUDED(mutex_);
  bool HasRoom() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void ForgetRequest();
  // `is_new`: it has just been put in flight; otherwise another with its client_id is there, and it is refused.
  void SubmitOne(v1::StreamTask* wire, bool is_new) ABSL_LOCKS_EXCLUDED(mutex_);
  void CancelAsked() ABSL_LOCKS_EXCLUDED(mutex_);
  // Serials of those in flight.
  std::vector<uint64_t> SerialsOf(const google::protobuf::RepeatedField<uint64_t>& client_ids)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // Where to put an outcome of about so many bytes; Deliver once it is there.
  v1::StreamOutcome* AddOutcome(size_t about_bytes) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Deliver(const v1::StreamOutcome& outcome) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void DropWaiting() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Writes soon: outcomes come together, and one message takes them all.
  void WriteLater() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void WriteSome() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Of the tasks in flight.
  std::vector<uint64_t> Serials() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The stream is over before its tasks: they are stopped, and their outcomes dropped.
  void Break(const grpc::Status& status) ABSL_LOCKS_EXCLUDED(mutex_);

  LiveCall live_;  // first
  const CallContext* const context_;
  CompletionQueue* const queue_;
  grpc::ServerContext rpc_;
  grpc::ServerAsyncReaderWriter<v1::RunStreamReply, v1::RunStreamRequest> stream_;

  // Queue's thread only.
  google::protobuf::Arena request_memory_{MessageMemory()};
  v1::RunStreamRequest* request_ = nullptr;  // the message in hand
  int next_task_ = 0;                        // of it
  bool reading_ = false;

  absl::Mutex mutex_;
  bool half_closed_ ABSL_GUARDED_BY(mutex_) = false;  // no more messages
  bool over_ ABSL_GUARDED_BY(mutex_) = false;         // Finish was called, or the client is gone
  std::unordered_map<uint64_t, uint64_t> in_flight_ ABSL_GUARDED_BY(mutex_);  // client's id: serial, 0: being submitted
  std::deque<std::unique_ptr<Reply>> waiting_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<Reply> writing_ ABSL_GUARDED_BY(mutex_);  // null: no message is on its way
  size_t waiting_outcomes_ ABSL_GUARDED_BY(mutex_) = 0;     // those being written included
  bool paused_ ABSL_GUARDED_BY(mutex_) = false;
  size_t waiting_bytes_ ABSL_GUARDED_BY(mutex_) = 0;         // as well
  size_t expected_bytes_ ABSL_GUARDED_BY(mutex_) = 4 << 10;  // of the outcome of a task in flight
  bool will_write_ ABSL_GUARDED_BY(mutex_) = false;

  CallEvent<StreamCall> arrived_{&StreamCall::Arrived};
  CallEvent<StreamCall> read_{&StreamCall::ReadDone};
  CallEvent<StreamCall> written_{&StreamCall::Written};
  CallEvent<StreamCall> finished_{&StreamCall::Finished};
  CallEvent<StreamCall> gone_{&StreamCall::Gone};
};

}  // namespace gild
