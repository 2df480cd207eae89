// echo_server: what gRPC alone costs. Answers Executor.Run and RunStream at once with SUCCEEDED, on one completion
// queue and one thread, as plainly as gRPC's C++ API allows: what gild-server is measured against, with the same
// client.
//
// Prints its address, one line, and serves until its stdin ends.
//
//   echo_server [ADDRESS]      default 127.0.0.1:0, a free port
#include <grpcpp/grpcpp.h>

#include <cstdio>
#include <string>
#include <thread>

#include "gild/v1/executor.grpc.pb.h"

namespace {

using Service =
    gild::v1::Executor::WithAsyncMethod_Run<gild::v1::Executor::WithAsyncMethod_RunStream<gild::v1::Executor::Service>>;

// One call. Deletes itself when it is over.
class Call {
 public:
  virtual ~Call() = default;
  virtual void Proceed(bool ok) = 0;
};

class Run : public Call {
 public:
  Run(Service* service, grpc::ServerCompletionQueue* queue) : service_(service), queue_(queue), responder_(&context_) {
    service_->RequestRun(&context_, &request_, &responder_, queue_, queue_, this);
  }
  void Proceed(bool ok) override {
    if (!ok || answered_) return delete this;
    new Run(service_, queue_);
    answered_ = true;
    reply_.mutable_outcome()->set_ending(gild::v1::SUCCEEDED);
    responder_.Finish(reply_, grpc::Status::OK, this);
  }

 private:
  Service* const service_;
  grpc::ServerCompletionQueue* const queue_;
  grpc::ServerContext context_;
  gild::v1::RunRequest request_;
  gild::v1::RunReply reply_;
  grpc::ServerAsyncResponseWriter<gild::v1::RunReply> responder_;
  bool answered_ = false;
};

// Reads a message, writes its outcomes, reads the next.
class RunStream : public Call {
 public:
  RunStream(Service* service, grpc::ServerCompletionQueue* queue)
      : service_(service), queue_(queue), stream_(&context_) {
    service_->RequestRunStream(&context_, &stream_, queue_, queue_, this);
  }
  void Proceed(bool ok) override {
    switch (state_) {
      case State::kWaiting:
        if (!ok) return delete this;
        new RunStream(service_, queue_);
        return Read();
      case State::kReading:
        if (!ok) {
          state_ = State::kFinishing;
          return stream_.Finish(grpc::Status::OK, this);
        }
        reply_.Clear();
        for (const gild::v1::StreamTask& task : request_.tasks()) {
          gild::v1::StreamOutcome* const outcome = reply_.add_outcomes();
          outcome->set_client_id(task.client_id());
          outcome->mutable_outcome()->set_ending(gild::v1::SUCCEEDED);
        }
        state_ = State::kWriting;
        return stream_.Write(reply_, this);
      case State::kWriting:
        if (ok) return Read();
        state_ = State::kFinishing;
        return stream_.Finish(grpc::Status::OK, this);
      case State::kFinishing: delete this;
    }
  }

 private:
  enum class State { kWaiting, kReading, kWriting, kFinishing };

  void Read() {
    state_ = State::kReading;
    stream_.Read(&request_, this);
  }

  Service* const service_;
  grpc::ServerCompletionQueue* const queue_;
  grpc::ServerContext context_;
  gild::v1::RunStreamRequest request_;
  gild::v1::RunStreamReply reply_;
  grpc::ServerAsyncReaderWriter<gild::v1::RunStreamReply, gild::v1::RunStreamRequest> stream_;
  State state_ = State::kWaiting;
};

}  // namespace

int main(int argc, char** argv) {
  const std::string address = argc > 1 ? argv[1] : "127.0.0.1:0";
  Service service;
  int port = 0;
  grpc::ServerBuilder builder;
  builder.AddListeningPort(address, grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(&service);
  const auto queue = builder.AddCompletionQueue();
  const auto server = builder.BuildAndStart();
  if (server == nullptr) {
    std::fprintf(stderr, "echo_server: cannot listen on %s\n", address.c_str());
    return 1;
  }
  constexpr int kWaiting = 64;  // as many as gild-server has waiting
  for (int i = 0; i < kWaiting; ++i) new Run(&service, queue.get());
  new RunStream(&service, queue.get());
  std::printf("%s%d\n", address.substr(0, address.rfind(':') + 1).c_str(), port);
  std::fflush(stdout);

  std::thread serving([&queue] {
    void* call;
    bool ok;
    while (queue->Next(&call, &ok)) static_cast<Call*>(call)->Proceed(ok);
  });
  while (std::getchar() != EOF) continue;
  server->Shutdown(std::chrono::system_clock::now());
  queue->Shutdown();
  serving.join();
}
