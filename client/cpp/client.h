// Client: the C++ client of a gild server.
//
// One Client is one connection, made at the first call and made again when it breaks. Every method may be called from
// any thread. RunAsync's callbacks run on the client's own thread, one at a time: keep them short, and do not block in
// them. The client owns the connection and that thread; the destructor cancels what is under way, waits for its
// callbacks, and must not be called from one.
//
//   gild::Client client("127.0.0.1:50051");
//   gild::v1::Task task;
//   task.set_tag(gild::v1::CPU);
//   task.mutable_source()->set_code("def square(n): return n * n");
//   task.mutable_source()->set_entry("square");
//   task.mutable_source()->add_arguments()->set_json("12");
//   absl::StatusOr<gild::v1::Outcome> outcome = client.Run(task);
//   if (!outcome.ok()) Complain(gild::ServerError::From(outcome.status()));       // gild's own failure or refusal
//   else if (outcome->ending() == gild::v1::SUCCEEDED) Use(outcome->result().json());  // "144"
//
// Errors. An OK status means that the server has an Outcome: look at its `ending` (task.proto lists them). Any other
// status is a refusal or a failure of gild, and ServerError (server_error.h) reads it: what kind, when to try again,
// which field was wrong. Nothing is retried: Run is at most once.
//
// Time. The gRPC deadline is limits.wall (30 s when absent) + limits.queue (60 s when absent) + 2 s, so that a
// TIMED_OUT or EXPIRED outcome has time to arrive. GetInfo and GetStats wait 10 s.
//
// Size. A task, with its arguments, and an outcome, with its output, may be 48 MiB each; a larger task is
// INVALID_ARGUMENT before anything is sent.
#pragma once

#include <grpcpp/grpcpp.h>

#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <unordered_map>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "client/cpp/server_error.h"
#include "client/cpp/task_stream.h"
#include "client/cpp/task_watch.h"
#include "gild/v1/executor.grpc.pb.h"
#include "gild/v1/monitor.grpc.pb.h"

namespace gild {

inline constexpr int64_t kClientMessageBytesMax = int64_t{48} << 20;

// Of what a callback is shown, to be kept.
inline absl::StatusOr<v1::Outcome> CopyOf(const absl::StatusOr<const v1::Outcome*>& outcome) {
  if (!outcome.ok()) return outcome.status();
  return **outcome;
}

class Client {
 public:
  struct Underway;  // one call

  // A handle on a task that runs. Copy it freely; it may outlive the call, but not the client.
  class Call {
   public:
    Call() = default;
    // Stops the task on the server; its callback then comes with kCancelled, unless the outcome was quicker.
    // Does nothing when the call has ended. Any thread, but not a signal handler.
    void Cancel();

   private:
    friend class Client;
    explicit Call(std::weak_ptr<Underway> call) : call_(std::move(call)) {}
    std::weak_ptr<Underway> call_;
  };

  // The outcome lives until the callback returns: copy what is to be kept of it.
  using Callback = std::function<void(absl::StatusOr<const v1::Outcome*> outcome)>;
  using AcceptedCallback = std::function<void(const std::string& task_id)>;

  // `address`: "host:port", "[::1]:port" or "unix:/path". Does not connect yet. Without TLS, and past any http_proxy.
  explicit Client(const std::string& address);
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;
  ~Client();

  // Runs a task and waits for its end. Move a large task in: it is not copied then.
  absl::StatusOr<v1::Outcome> Run(v1::Task task);

  // Starts a task; `done` is called exactly once, with its outcome or the failure, never from within RunAsync, which it
  // may call. `accepted`, where it is given, is called before with the task's id, once the server has accepted it; not
  // by a server older than Executor.Watch.
  Call RunAsync(v1::Task task, Callback done, AcceptedCallback accepted = nullptr) ABSL_LOCKS_EXCLUDED(mutex_);

  // What a task prints while it waits and runs. The client outlives it.
  std::unique_ptr<TaskWatch> OpenWatch(const std::string& task_id) {
    return std::make_unique<TaskWatch>(executor_.get(), task_id);
  }

  // Stores a pickled callable; the result is the hash that a task's `function` calls it by. Waits 60 s at most.
  absl::StatusOr<std::string> PutFunction(std::string pickled_function);

  // Many tasks on one stream. The client outlives it.
  std::unique_ptr<TaskStream> OpenStream(TaskStream::Options options) {
    return std::make_unique<TaskStream>(executor_.get(), options);
  }

  absl::StatusOr<v1::Info> GetInfo();
  absl::StatusOr<v1::Stats> GetStats();
  // A snapshot at once, then one every interval (10 ms to 1 h), until `next` returns false: OK. Blocks; an error is why
  // the stream broke.
  absl::Status WatchStats(absl::Duration interval, const std::function<bool(const v1::Stats&)>& next);

  // The gRPC deadline of a task, from now.
  static absl::Duration DeadlineOf(const v1::Limits& limits);
  // INVALID_ARGUMENT for a task larger than a message.
  static absl::Status CheckSize(const v1::Task& task);

 private:
  void RunCallbacks() ABSL_LOCKS_EXCLUDED(mutex_);
  void Accepted(Underway* call);
  void Ended(Underway* call) ABSL_LOCKS_EXCLUDED(mutex_);

  const std::shared_ptr<grpc::Channel> channel_;
  const std::unique_ptr<v1::Executor::Stub> executor_;
  const std::unique_ptr<v1::Monitor::Stub> monitor_;
  grpc::CompletionQueue queue_;

  absl::Mutex mutex_;
  // Calls whose callback has not returned yet.
  std::unordered_map<Underway*, std::shared_ptr<Underway>> underway_ ABSL_GUARDED_BY(mutex_);

  std::thread thread_;  // last: it uses all of the above
};

}  // namespace gild
