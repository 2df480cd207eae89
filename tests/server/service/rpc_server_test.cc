// A real server and a real client on loopback, over a scheduler whose lanes are fakes: what the lane is told is waited
// for, never slept for.
#include "server/service/rpc_server.h"

#include <gmock/gmock.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/security/credentials.h>
#include <gtest/gtest.h>

#include <condition_variable>
#include <future>
#include <mutex>
#include <thread>

#include "gild/v1/executor.grpc.pb.h"
#include "gild/v1/monitor.grpc.pb.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "server/service/health.h"

namespace gild {
namespace {

using ::testing::HasSubstr;

// Takes every task and runs none; a cancelled one ends on a thread of its own, as a lane's would on the poller's.
class FakeLane {
 public:
  ~FakeLane() {
    for (std::thread& thread : threads_) thread.join();
  }

  Scheduler::LanePort Port(std::function<void(uint64_t, Outcome)> ended) {
    ended_ = std::move(ended);
    return {.run =
                [this](int, const std::shared_ptr<const Task>& task) {
                  const std::lock_guard lock(mutex_);
                  started_.push_back(task);
                  changed_.notify_all();
                  return true;
                },
            .cancel =
                [this](uint64_t serial) {
                  const std::lock_guard lock(mutex_);
                  ++cancels_;
                  changed_.notify_all();
                  threads_.emplace_back([this, serial] {
                    Outcome outcome;
                    outcome.ending = Ending::kCancelled;
                    outcome.started = true;
                    ended_(serial, outcome);
                  });
                }};
  }

  std::shared_ptr<const Task> AwaitStart(size_t count = 1) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return started_.size() >= count; });
    return started_[count - 1];
  }
  void AwaitCancel() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return cancels_ > 0; });
  }

 private:
  std::function<void(uint64_t, Outcome)> ended_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::shared_ptr<const Task>> started_;
  int cancels_ = 0;
  std::vector<std::thread> threads_;
};

class RpcServerTest : public testing::Test {
 protected:
  void Start(Scheduler::Bounds bounds = {}) {
    const auto ended = [this](uint64_t serial, Outcome outcome) {
      scheduler_->Ended(serial, std::move(outcome), NowNs());
    };
    scheduler_.emplace(io_.Port(ended), cpu_.Port(ended), bounds);
    metrics_.emplace(ServerInfo(), [this] { return snapshot_; });
    snapshot_.lanes = {{.lane = LaneKind::kIo, .interpreters = 1, .threads_per_interpreter = 128}};
    auto started = RpcServer::Start(
        {.listen = "127.0.0.1:0", .threads = 2, .queue_capacity = 5}, &*scheduler_, &*metrics_,
        [] { return ServerInfo{.version = "0.1.0"}; }, [this] { return snapshot_; });
    ASSERT_TRUE(started.ok()) << started.status();
    server_ = std::move(*started);
    address_ = "127.0.0.1:" + std::to_string(server_->port());
    channel_ = grpc::CreateChannel(address_, grpc::InsecureChannelCredentials());
    executor_ = v1::Executor::NewStub(channel_);
    monitor_ = v1::Monitor::NewStub(channel_);
  }
  void TearDown() override {
    if (server_ != nullptr) server_->Shutdown();
  }

  static v1::RunRequest Request(v1::Tag tag = v1::CPU) {
    v1::RunRequest request;
    request.mutable_task()->set_tag(tag);
    request.mutable_task()->mutable_source()->set_code("print('hello')");
    return request;
  }

  // A call on a thread of its own; the context is there to cancel it.
  struct Call {
    grpc::ClientContext context;
    v1::RunReply reply;
    std::future<grpc::Status> status;
  };
  std::unique_ptr<Call> Run(const v1::RunRequest& request) {
    auto call = std::make_unique<Call>();
    call->status = std::async(std::launch::async, [this, request, call = call.get()] {
      return executor_->Run(&call->context, request, &call->reply);
    });
    return call;
  }

  void End(const Task& task, const std::string& out) {
    Outcome outcome;
    outcome.ending = Ending::kSucceeded;
    outcome.started = true;
    outcome.out = out;
    scheduler_->Ended(task.serial, outcome, NowNs());
  }

  FakeLane io_, cpu_;
  ServerSnapshot snapshot_;
  std::optional<Scheduler> scheduler_;
  std::optional<Metrics> metrics_;
  std::unique_ptr<RpcServer> server_;
  std::string address_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::Executor::Stub> executor_;
  std::unique_ptr<v1::Monitor::Stub> monitor_;
};

TEST_F(RpcServerTest, ATaskGoesDownAndItsOutcomeComesBack) {
  Start();
  scheduler_->SlotReady(LaneKind::kCpu, 0, 1, NowNs());
  auto call = Run(Request());
  const auto task = cpu_.AwaitStart();
  EXPECT_EQ(task->code, "print('hello')");
  End(*task, "hello\n");
  const grpc::Status status = call->status.get();
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(call->reply.outcome().ending(), v1::SUCCEEDED);
  EXPECT_EQ(call->reply.outcome().lane(), v1::CPU_LANE);
  EXPECT_EQ(call->reply.outcome().stdout(), "hello\n");
  EXPECT_EQ(call->reply.outcome().task_id(), task->id);
  EXPECT_THAT(metrics_->Serialize(), HasSubstr("gild_tasks_total{ending=\"SUCCEEDED\",lane=\"cpu\",tag=\"CPU\"} 1\n"));
}

TEST_F(RpcServerTest, ManyCallsAreInFlightAtOnce) {
  Start();
  scheduler_->SlotReady(LaneKind::kIo, 0, 200, NowNs());
  std::vector<std::unique_ptr<Call>> calls;
  for (int i = 0; i < 150; ++i) calls.push_back(Run(Request(v1::IO)));  // more than are posted on a queue
  for (size_t i = 1; i <= calls.size(); ++i) End(*io_.AwaitStart(i), "");
  for (auto& call : calls) EXPECT_TRUE(call->status.get().ok());
}

TEST_F(RpcServerTest, TheClientsCancelStopsTheTask) {
  Start();
  scheduler_->SlotReady(LaneKind::kIo, 0, 1, NowNs());
  auto call = Run(Request(v1::IO));
  io_.AwaitStart();
  call->context.TryCancel();
  io_.AwaitCancel();
  EXPECT_EQ(call->status.get().error_code(), grpc::StatusCode::CANCELLED);
}

TEST_F(RpcServerTest, APassedDeadlineStopsTheTask) {
  Start();
  scheduler_->SlotReady(LaneKind::kIo, 0, 1, NowNs());
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(50));
  v1::RunReply reply;
  EXPECT_EQ(executor_->Run(&context, Request(v1::IO), &reply).error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  io_.AwaitCancel();
}

TEST_F(RpcServerTest, AClientThatGoesAwayStopsItsWaitingTask) {
  Start();
  auto call = Run(Request());
  while (scheduler_->Idle()) std::this_thread::yield();
  call->context.TryCancel();
  EXPECT_EQ(call->status.get().error_code(), grpc::StatusCode::CANCELLED);
  while (!scheduler_->Idle()) std::this_thread::yield();
  EXPECT_EQ(scheduler_->Lanes()[1].endings.at(Ending::kCancelled), 1);
}

TEST_F(RpcServerTest, ARefusalSaysWhenToTryAgain) {
  Start({.queued_tasks = 0, .queued_bytes = 0});
  v1::RunReply reply;
  grpc::ClientContext context;
  const grpc::Status status = executor_->Run(&context, Request(), &reply);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  google::rpc::Status details;
  ASSERT_TRUE(details.ParseFromString(status.error_details()));
  google::rpc::RetryInfo retry;
  ASSERT_TRUE(details.details(1).UnpackTo(&retry));
  EXPECT_EQ(retry.retry_delay().nanos(), 50'000'000);
  EXPECT_THAT(metrics_->Serialize(), HasSubstr("gild_refusals_total{reason=\"queue_full\"} 1\n"));
}

TEST_F(RpcServerTest, ADrainingServerIsUnavailable) {
  Start();
  scheduler_->Drain();
  v1::RunReply reply;
  grpc::ClientContext context;
  EXPECT_EQ(executor_->Run(&context, Request(), &reply).error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(RpcServerTest, AnInvalidTaskNeverReachesTheScheduler) {
  Start();
  v1::RunReply reply;
  grpc::ClientContext context;
  const grpc::Status status = executor_->Run(&context, v1::RunRequest(), &reply);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("task.source"));
  EXPECT_TRUE(scheduler_->Idle());
}

TEST_F(RpcServerTest, WhatIsNotThereYetSaysSo) {
  Start();
  {
    grpc::ClientContext context;
    v1::SubmitReply reply;
    const grpc::Status status = executor_->Submit(&context, v1::SubmitRequest(), &reply);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::UNIMPLEMENTED);
    EXPECT_EQ(status.error_message(), "Executor.Submit comes in a later version");
  }
  {
    grpc::ClientContext context;
    const grpc::Status status = executor_->RunStream(&context)->Finish();
    EXPECT_EQ(status.error_code(), grpc::StatusCode::UNIMPLEMENTED);
  }
  {
    grpc::ClientContext context;
    const grpc::Status status = monitor_->Trace(&context, v1::TraceRequest())->Finish();
    EXPECT_EQ(status.error_code(), grpc::StatusCode::UNIMPLEMENTED);
    EXPECT_EQ(status.error_message(), "Monitor.Trace comes in a later version");
  }
}

TEST_F(RpcServerTest, InfoAndStatsAreAnswered) {
  Start();
  {
    grpc::ClientContext context;
    v1::Info info;
    ASSERT_TRUE(monitor_->GetInfo(&context, v1::GetInfoRequest(), &info).ok());
    EXPECT_EQ(info.version(), "0.1.0");
    ASSERT_EQ(info.lanes_size(), 1);
    EXPECT_EQ(info.lanes(0).threads_per_interpreter(), 128);
    EXPECT_EQ(info.lanes(0).queue_capacity(), 5);
  }
  {
    grpc::ClientContext context;
    v1::Stats stats;
    ASSERT_TRUE(monitor_->GetStats(&context, v1::GetStatsRequest(), &stats).ok());
    EXPECT_EQ(stats.lanes(0).lane(), v1::IO_LANE);
  }
}

TEST_F(RpcServerTest, ShutdownStopsWhatIsInFlightAndReturns) {
  Start();
  scheduler_->SlotReady(LaneKind::kIo, 0, 1, NowNs());
  auto running = Run(Request(v1::IO));
  io_.AwaitStart();
  auto waiting = Run(Request(v1::CPU));
  while (scheduler_->Lanes()[1].queued == 0) std::this_thread::yield();
  server_->Shutdown();
  EXPECT_TRUE(scheduler_->Idle());
  EXPECT_FALSE(running->status.get().ok());
  EXPECT_FALSE(waiting->status.get().ok());
}

TEST_F(RpcServerTest, OutcomesDeliveredBeforeShutdownReachTheirClients) {
  Start();
  auto call = Run(Request());
  while (scheduler_->Idle()) std::this_thread::yield();
  scheduler_->EndWaiting(NowNs());
  server_->Shutdown();
  ASSERT_TRUE(call->status.get().ok());
  EXPECT_EQ(call->reply.outcome().ending(), v1::INTERPRETER_LOST);
  EXPECT_TRUE(call->reply.outcome().evidence().safe_to_retry());
}

TEST_F(RpcServerTest, AnUsedPortIsUnavailableAndNotShared) {
  Start();
  const auto second = RpcServer::Start(
      {.listen = address_}, &*scheduler_, &*metrics_, [] { return ServerInfo(); }, [this] { return snapshot_; });
  EXPECT_EQ(second.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(second.status().ToString(), HasSubstr("Address already in use"));
}

// What was set, name by name.
class FakeHealthService : public grpc::HealthCheckServiceInterface {
 public:
  void SetServingStatus(const std::string& name, bool serving) override {
    ++sets;
    status[name] = serving;
  }
  void SetServingStatus(bool) override {}
  std::map<std::string, bool> status;
  int sets = 0;
};

TEST(HealthTest, NothingServesBeforeTheFirstCheck) {
  FakeHealthService service;
  Health health(&service, [] { return Health::Now(); });
  EXPECT_THAT(service.status, testing::ElementsAre(testing::Pair("", false), testing::Pair("gild.lane.cpu", false),
                                                   testing::Pair("gild.lane.io", false)));
}

TEST(HealthTest, EachLaneSpeaksForItselfAndAllForTheServer) {
  FakeHealthService service;
  Health::Now now{.serving = {{LaneKind::kIo, true}, {LaneKind::kCpu, false}}};
  Health health(&service, [&] { return now; });
  health.Check();
  EXPECT_TRUE(service.status["gild.lane.io"]);
  EXPECT_FALSE(service.status["gild.lane.cpu"]);
  EXPECT_FALSE(service.status[""]);
  now.serving[LaneKind::kCpu] = true;
  health.Check();
  EXPECT_TRUE(service.status["gild.lane.cpu"]);
  EXPECT_TRUE(service.status[""]);
}

TEST(HealthTest, ADrainingServerServesNothing) {
  FakeHealthService service;
  Health::Now now{.serving = {{LaneKind::kIo, true}, {LaneKind::kCpu, true}}};
  Health health(&service, [&] { return now; });
  health.Check();
  now.draining = true;
  health.Check();
  for (const auto& [name, serving] : service.status) EXPECT_FALSE(serving) << name;
}

TEST(HealthTest, OnlyChangesWakeTheWatchers) {
  FakeHealthService service;
  Health health(&service, [] { return Health::Now{.serving = {{LaneKind::kIo, true}, {LaneKind::kCpu, true}}}; });
  health.Check();
  const int sets = service.sets;
  health.Check();
  EXPECT_EQ(service.sets, sets);
}

// grpc.health.v1.HealthCheckResponse.status of `name`, by hand: no package ships the C++ messages. 1: SERVING.
int ServingStatus(const std::shared_ptr<grpc::Channel>& channel, const std::string& name) {
  const grpc::Slice slice(std::string("\x0a") + static_cast<char>(name.size()) + name);
  grpc::ByteBuffer request(&slice, 1);
  grpc::ByteBuffer reply;
  grpc::ClientContext context;
  std::promise<grpc::Status> promise;
  grpc::GenericStub(channel).UnaryCall(&context, "/grpc.health.v1.Health/Check", {}, &request, &reply,
                                       [&](grpc::Status status) { promise.set_value(status); });
  const grpc::Status status = promise.get_future().get();
  EXPECT_TRUE(status.ok()) << status.error_message();
  grpc::Slice bytes;
  EXPECT_TRUE(reply.DumpToSingleSlice(&bytes).ok());
  return bytes.size() == 2 ? bytes.begin()[1] : 0;
}

TEST_F(RpcServerTest, HealthIsToldToClientsAndChanges) {
  Start();
  Health::Now now{.serving = {{LaneKind::kIo, true}, {LaneKind::kCpu, false}}};
  Health health(server_->health(), [&] { return now; });
  health.Check();
  EXPECT_EQ(ServingStatus(channel_, "gild.lane.io"), 1);
  EXPECT_EQ(ServingStatus(channel_, "gild.lane.cpu"), 2);
  EXPECT_EQ(ServingStatus(channel_, ""), 2);
  now.serving[LaneKind::kCpu] = true;
  health.Check();
  EXPECT_EQ(ServingStatus(channel_, ""), 1);
}

}  // namespace
}  // namespace gild
