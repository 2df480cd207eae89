#include "server/service/rpc_server.h"

#include <gmock/gmock.h>

#include "google/rpc/error_details.pb.h"
#include "server/service/monitor_service.h"
#include "server/task/capacity.h"
#include "tests/server/service/rpc_fixture.h"

namespace gild {
namespace {

using ::testing::HasSubstr;

TEST_F(RpcServerTest, ATaskGoesDownAndItsOutcomeComesBack) {
  Start();
  scheduler_->SlotReady(LaneKind::kCpu, 0, {.threads = 1}, NowNs());
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
  scheduler_->SlotReady(LaneKind::kIo, 0, {.threads = 200}, NowNs());
  std::vector<std::unique_ptr<Call>> calls;
  for (int i = 0; i < 150; ++i) calls.push_back(Run(Request(v1::IO)));  // more than are posted on a queue
  for (size_t i = 1; i <= calls.size(); ++i) End(*io_.AwaitStart(i), "");
  for (auto& call : calls) EXPECT_TRUE(call->status.get().ok());
}

TEST_F(RpcServerTest, TheClientsCancelStopsTheTask) {
  Start();
  scheduler_->SlotReady(LaneKind::kIo, 0, {.threads = 1}, NowNs());
  auto call = Run(Request(v1::IO));
  io_.AwaitStart();
  call->context.TryCancel();
  io_.AwaitCancel();
  EXPECT_EQ(call->status.get().error_code(), grpc::StatusCode::CANCELLED);
}

TEST_F(RpcServerTest, APassedDeadlineStopsTheTask) {
  Start();
  scheduler_->SlotReady(LaneKind::kIo, 0, {.threads = 1}, NowNs());
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

TEST_F(RpcServerTest, AWaitingTaskWhoseDeadlinePassesHasExpired) {
  Start();
  grpc::ClientContext context;
  // The server's clock alone: a deadline of the client's own would also cancel, at its own moment.
  context.AddMetadata("grpc-timeout", "50m");
  v1::RunReply reply;
  EXPECT_FALSE(executor_->Run(&context, Request(), &reply).ok());
  while (!scheduler_->Idle()) std::this_thread::yield();
  EXPECT_EQ(scheduler_->Lanes()[1].endings.at(Ending::kExpired), 1);
}

TEST_F(RpcServerTest, ARefusalSaysWhenToTryAgain) {
  Start({.queued_tasks = 0, .held_bytes = 0});
  v1::RunReply reply;
  grpc::ClientContext context;
  const grpc::Status status = executor_->Run(&context, Request(), &reply);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(DetailOf<google::rpc::RetryInfo>(status).retry_delay().nanos(), 50'000'000);
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
    const grpc::Status status = monitor_->Trace(&context, v1::TraceRequest())->Finish();
    EXPECT_EQ(status.error_code(), grpc::StatusCode::UNIMPLEMENTED);
    EXPECT_EQ(status.error_message(), "Monitor.Trace comes in a later version");
  }
}

TEST_F(RpcServerTest, StatsAreWatchedUntilTheClientGoes) {
  constexpr int kMessages = 6;
  Start();
  grpc::ClientContext context;
  v1::WatchStatsRequest request;
  request.mutable_interval()->set_nanos(kStatsIntervalNsMin);
  const int64_t begin_ns = NowNs();
  const auto stream = monitor_->WatchStats(&context, request);
  v1::Stats stats;
  std::vector<int> snapshots;
  for (int i = 0; i < kMessages; ++i) {
    ASSERT_TRUE(stream->Read(&stats));
    EXPECT_EQ(stats.lanes_size(), 1);
    snapshots.push_back(stats.uptime().nanos());
    // One that is late may share its snapshot with the next, which keeps to the beat, but not with the one after.
    if (i < 2) continue;
    EXPECT_GT(snapshots[i], snapshots[i - 2]) << "an old look at the server";
  }
  EXPECT_GE(NowNs() - begin_ns, (kMessages - 1) * kStatsIntervalNsMin);
  context.TryCancel();
  while (stream->Read(&stats)) continue;
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::CANCELLED);
}

TEST_F(RpcServerTest, AnIntervalBeyondTheDefaultIsKept) {
  constexpr int64_t kIntervalNs = kStatsIntervalNsDefault + 100 * kNsPerMs;
  Start();
  grpc::ClientContext context;
  v1::WatchStatsRequest request;
  request.mutable_interval()->set_seconds(kIntervalNs / kNsPerSecond);
  request.mutable_interval()->set_nanos(kIntervalNs % kNsPerSecond);
  const int64_t begin_ns = NowNs();
  const auto stream = monitor_->WatchStats(&context, request);
  v1::Stats stats;
  for (int i = 0; i < 2; ++i) ASSERT_TRUE(stream->Read(&stats));
  EXPECT_GE(NowNs() - begin_ns, kIntervalNs);
  context.TryCancel();
  while (stream->Read(&stats)) continue;
  stream->Finish();
}

TEST_F(RpcServerTest, AnIntervalIsChecked) {
  Start();
  for (const int64_t seconds : {int64_t{-1}, int64_t{3601}, int64_t{315576000000}}) {
    grpc::ClientContext context;
    v1::WatchStatsRequest request;
    request.mutable_interval()->set_seconds(seconds);
    const grpc::Status status = monitor_->WatchStats(&context, request)->Finish();
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << seconds;
    EXPECT_THAT(status.error_message(), HasSubstr("interval"));
  }
}

TEST_F(RpcServerTest, WatchersHaveABound) {
  Start();
  const int64_t begin_ns = NowNs();
  std::vector<std::unique_ptr<grpc::ClientContext>> contexts;
  std::vector<std::unique_ptr<grpc::ClientReader<v1::Stats>>> streams;
  v1::Stats stats;
  for (size_t i = 0; i < kStatsWatchesMax; ++i) {
    contexts.push_back(std::make_unique<grpc::ClientContext>());
    streams.push_back(monitor_->WatchStats(contexts.back().get(), v1::WatchStatsRequest()));
    ASSERT_TRUE(streams.back()->Read(&stats));
  }
  grpc::ClientContext context;
  EXPECT_EQ(monitor_->WatchStats(&context, v1::WatchStatsRequest())->Finish().error_code(),
            grpc::StatusCode::RESOURCE_EXHAUSTED);
  // Those of a moment share one look at the server.
  EXPECT_LE(snapshots_, (NowNs() - begin_ns) / (kStatsIntervalNsMin / 2) + 1);
  for (const auto& each : contexts) each->TryCancel();
  for (const auto& stream : streams) EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::CANCELLED);
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
  scheduler_->SlotReady(LaneKind::kIo, 0, {.threads = 1}, NowNs());
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

TEST_F(RpcServerTest, NoCallIsTakenBeforeItIsOpen) {
  Listen();
  grpc::ClientContext too_early;
  too_early.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(100));
  v1::RunReply reply;
  EXPECT_EQ(executor_->Run(&too_early, Request(), &reply).error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  EXPECT_TRUE(scheduler_->Idle());
  auto waiting = Run(Request());
  server_->Open();
  while (scheduler_->Idle()) std::this_thread::yield();
  scheduler_->EndWaiting(NowNs());
  EXPECT_TRUE(waiting->status.get().ok());
}

TEST_F(RpcServerTest, OneThatWasNeverOpenedEndsWhatWaitsForIt) {
  Listen();
  auto waiting = Run(Request());
  server_->Shutdown();
  EXPECT_FALSE(waiting->status.get().ok());
  EXPECT_TRUE(scheduler_->Idle());
}

TEST_F(RpcServerTest, AnUsedPortIsUnavailableAndNotShared) {
  Start();
  const auto second = RpcServer::Start(
      {.listen = address_}, &*scheduler_, &*metrics_, [] { return ServerInfo(); }, [this] { return snapshot_; },
      poller_.get());
  EXPECT_EQ(second.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(second.status().ToString(), HasSubstr("Address already in use"));
}

}  // namespace
}  // namespace gild
