// FakeServer: a gild server in this process that answers as a test tells it to.
//
// Handlers run on gRPC's threads and must be thread-safe. The server owns its port until it is destroyed; calls still
// under way are then cancelled.
//
//   FakeServer server([](const v1::Task& task, grpc::ServerContext*, v1::Outcome* outcome) {
//     outcome->set_ending(v1::SUCCEEDED);
//     return grpc::Status::OK;
//   });
//   Client client(server.address());
#pragma once

#include <grpcpp/grpcpp.h>

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "gild/v1/executor.grpc.pb.h"
#include "gild/v1/monitor.grpc.pb.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace gild {

inline v1::Task Script(const std::string& code) {
  v1::Task task;
  task.mutable_source()->set_code(code);
  return task;
}

class FakeServer {
 public:
  static constexpr char kAnyPort[] = "127.0.0.1:0";

  using RunHandler = std::function<grpc::Status(const v1::Task&, grpc::ServerContext*, v1::Outcome*)>;

  using Stream = grpc::ServerReaderWriter<v1::RunStreamReply, v1::RunStreamRequest>;
  using StreamHandler = std::function<grpc::Status(grpc::ServerContext*, Stream*)>;

  // `listen`: an address to have again, in place of a free port.
  explicit FakeServer(RunHandler run, const std::string& listen = kAnyPort)
      : FakeServer(std::move(run), nullptr, listen) {}
  explicit FakeServer(StreamHandler stream) : FakeServer(nullptr, std::move(stream)) {}
  FakeServer(RunHandler run, StreamHandler stream, const std::string& listen = kAnyPort)
      : executor_(std::move(run), std::move(stream)) {
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort(listen, grpc::InsecureServerCredentials(), &port);
    builder.SetMaxReceiveMessageSize(64 << 20);
    builder.RegisterService(&executor_);
    builder.RegisterService(&monitor_);
    server_ = builder.BuildAndStart();
    address_ = absl::StrCat("127.0.0.1:", port);
  }
  ~FakeServer() { server_->Shutdown(std::chrono::system_clock::now()); }

  const std::string& address() const { return address_; }

  // A refusal with details, as the real server makes them.
  static grpc::Status Refuse(grpc::StatusCode code, const std::string& message, const std::string& reason,
                             int retry_seconds) {
    google::rpc::Status status;
    status.set_code(code);
    status.set_message(message);
    google::rpc::ErrorInfo info;
    info.set_reason(reason);
    info.set_domain("gild");
    (*info.mutable_metadata())["lane"] = "io";
    status.add_details()->PackFrom(info);
    google::rpc::RetryInfo retry;
    retry.mutable_retry_delay()->set_seconds(retry_seconds);
    status.add_details()->PackFrom(retry);
    return grpc::Status(code, message, status.SerializeAsString());
  }

  static grpc::Status Invalid(const std::string& field, const std::string& description) {
    google::rpc::Status status;
    status.set_code(grpc::StatusCode::INVALID_ARGUMENT);
    google::rpc::BadRequest bad;
    auto* violation = bad.add_field_violations();
    violation->set_field(field);
    violation->set_description(description);
    status.add_details()->PackFrom(bad);
    return grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, description, status.SerializeAsString());
  }

 private:
  struct ExecutorService : v1::Executor::Service {
    ExecutorService(RunHandler run, StreamHandler stream) : run(std::move(run)), stream(std::move(stream)) {}
    grpc::Status Run(grpc::ServerContext* context, const v1::RunRequest* request, v1::RunReply* reply) override {
      return run(request->task(), context, reply->mutable_outcome());
    }
    grpc::Status RunStream(grpc::ServerContext* context, Stream* calls) override { return stream(context, calls); }
    grpc::Status PutFunction(grpc::ServerContext*, const v1::PutFunctionRequest* request,
                             v1::PutFunctionReply* reply) override {
      if (request->pickled_function().empty()) return Invalid("pickled_function", "is empty");
      reply->set_function_sha256("hash of " + request->pickled_function());
      return grpc::Status::OK;
    }
    const RunHandler run;
    const StreamHandler stream;
  };
  struct MonitorService : v1::Monitor::Service {
    grpc::Status GetInfo(grpc::ServerContext*, const v1::GetInfoRequest*, v1::Info* info) override {
      info->set_version("0.1.0");
      info->set_python_version("3.11.2");
      for (const v1::Lane lane : {v1::IO_LANE, v1::CPU_LANE}) {
        v1::LaneInfo* entry = info->add_lanes();
        entry->set_lane(lane);
        entry->set_interpreters(1);
        entry->set_threads_per_interpreter(lane == v1::IO_LANE ? 16 : 1);
      }
      return grpc::Status::OK;
    }
    grpc::Status GetStats(grpc::ServerContext*, const v1::GetStatsRequest*, v1::Stats* stats) override {
      stats->mutable_uptime()->set_seconds(7);
      return grpc::Status::OK;
    }
  };

  ExecutorService executor_;
  MonitorService monitor_;
  std::unique_ptr<grpc::Server> server_;
  std::string address_;
};

}  // namespace gild
