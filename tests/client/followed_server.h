// FollowedServer: a gild server of one task, which is followed: the test says what it prints, and how it ends.
//
// Any thread. Its end ends what is still under way.
//
//   FollowedServer server;
//   client.RunAsync(task, done, [&](const std::string& task_id) { … });
//   server.Print("out");
//   server.EndWatch(grpc::Status::OK);
//   server.EndRun(outcome);
#pragma once

#include <grpcpp/grpcpp.h>

#include <chrono>
#include <deque>
#include <memory>
#include <optional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "gild/v1/executor.grpc.pb.h"

namespace gild {

class FollowedServer {
 public:
  static constexpr char kTaskId[] = "the task";

  // `announces`: else it is older than Executor.Watch.
  explicit FollowedServer(bool announces = true) : service_(this), announces_(announces) {
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
    builder.RegisterService(&service_);
    server_ = builder.BuildAndStart();
    address_ = absl::StrCat("127.0.0.1:", port);
  }
  ~FollowedServer() {
    EndWatch(grpc::Status::CANCELLED);
    FinishRun(grpc::Status::CANCELLED);
    server_->Shutdown(std::chrono::system_clock::now());
  }

  const std::string& address() const { return address_; }

  void Print(const std::string& out, const std::string& err = "") {
    v1::WatchReply reply;
    reply.set_stdout(out);
    reply.set_stderr(err);
    Say(reply);
  }
  void Progress(uint64_t done, uint64_t total) {
    v1::WatchReply reply;
    reply.mutable_progress()->set_done(done);
    reply.mutable_progress()->set_total(total);
    Say(reply);
  }
  // Once what was said before is sent.
  void EndWatch(const grpc::Status& status) {
    absl::MutexLock lock(&mutex_);
    if (!watch_end_) watch_end_ = status;
  }
  // Waits for the call; and, where the watch was ended, until all that was said is sent: nobody waits for it long.
  void EndRun(const v1::Outcome& outcome) {
    absl::MutexLock lock(&mutex_);
    const auto ready = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      return run_ != nullptr && (!watch_end_ || watch_over_);
    };
    mutex_.Await(absl::Condition(&ready));
    *run_->reply->mutable_outcome() = outcome;
    run_->Finish(grpc::Status::OK);
    run_ = nullptr;
  }
  // The client has cancelled the task.
  void AwaitCancel() {
    absl::MutexLock lock(&mutex_);
    mutex_.Await(absl::Condition(&cancelled_));
  }

 private:
  struct RunReactor : grpc::ServerUnaryReactor {
    RunReactor(FollowedServer* server, v1::RunReply* reply) : server(server), reply(reply) {}
    void OnCancel() override {
      {
        absl::MutexLock lock(&server->mutex_);
        server->cancelled_ = true;
      }
      server->FinishRun(grpc::Status::CANCELLED);
    }
    void OnDone() override { delete this; }
    FollowedServer* const server;
    v1::RunReply* const reply;
  };

  struct Service : v1::Executor::WithCallbackMethod_Run<v1::Executor::Service> {
    explicit Service(FollowedServer* server) : server(server) {}
    grpc::ServerUnaryReactor* Run(grpc::CallbackServerContext* context, const v1::RunRequest* request,
                                  v1::RunReply* reply) override {
      auto* const reactor = new RunReactor(server, reply);
      if (server->announces_ && request->announce_id()) {
        context->AddInitialMetadata("gild-task-id", kTaskId);
        reactor->StartSendInitialMetadata();
      }
      absl::MutexLock lock(&server->mutex_);
      server->run_ = reactor;
      return reactor;
    }
    grpc::Status Watch(grpc::ServerContext*, const v1::WatchRequest* request,
                       grpc::ServerWriter<v1::WatchReply>* writer) override {
      if (request->task_id() != kTaskId) return grpc::Status(grpc::StatusCode::NOT_FOUND, "no such task");
      writer->SendInitialMetadata();
      while (const std::optional<v1::WatchReply> reply = server->NextReply()) {
        if (!writer->Write(*reply)) return grpc::Status::CANCELLED;
      }
      return server->watch_end();
    }
    FollowedServer* const server;
  };

  void Say(const v1::WatchReply& reply) {
    absl::MutexLock lock(&mutex_);
    replies_.push_back(reply);
  }
  // Empty: the watch is over.
  std::optional<v1::WatchReply> NextReply() {
    absl::MutexLock lock(&mutex_);
    const auto ready = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return !replies_.empty() || watch_end_; };
    mutex_.Await(absl::Condition(&ready));
    if (replies_.empty()) return std::nullopt;
    v1::WatchReply first = replies_.front();
    replies_.pop_front();
    return first;
  }
  grpc::Status watch_end() {
    absl::MutexLock lock(&mutex_);
    watch_over_ = true;
    return *watch_end_;
  }
  void FinishRun(const grpc::Status& status) {
    absl::MutexLock lock(&mutex_);
    if (run_ != nullptr) run_->Finish(status);
    run_ = nullptr;
  }

  Service service_;
  const bool announces_;
  std::unique_ptr<grpc::Server> server_;
  std::string address_;

  absl::Mutex mutex_;
  std::deque<v1::WatchReply> replies_ ABSL_GUARDED_BY(mutex_);
  std::optional<grpc::Status> watch_end_ ABSL_GUARDED_BY(mutex_);
  bool watch_over_ ABSL_GUARDED_BY(mutex_) = false;
  RunReactor* run_ ABSL_GUARDED_BY(mutex_) = nullptr;
  bool cancelled_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace gild
