// A load against a server in this process: what is sent is what comes back, in every mode.
#include "client/bench/load.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <thread>

#include "absl/synchronization/notification.h"
#include "tests/client/fake_server.h"

namespace gild::bench {
namespace {

using testing::ElementsAre;
using testing::Pair;

grpc::Status Succeed(const v1::Task&, grpc::ServerContext*, v1::Outcome* outcome) {
  outcome->set_ending(v1::SUCCEEDED);
  return grpc::Status::OK;
}

// Answers a message with a message.
grpc::Status SucceedAll(grpc::ServerContext*, FakeServer::Stream* stream) {
  v1::RunStreamRequest request;
  while (stream->Read(&request)) {
    v1::RunStreamReply reply;
    for (const v1::StreamTask& task : request.tasks()) {
      v1::StreamOutcome* outcome = reply.add_outcomes();
      outcome->set_client_id(task.client_id());
      outcome->mutable_outcome()->set_ending(v1::SUCCEEDED);
    }
    stream->Write(reply);
  }
  return grpc::Status::OK;
}

LoadOptions So(const FakeServer& server, Mode mode, uint64_t tasks) {
  LoadOptions options;
  options.address = server.address();
  options.tasks = {Script("pass")};
  options.mode = mode;
  options.outstanding = 16;
  options.batch = 8;
  options.connections = 2;
  options.warm_up_ns = 0;
  options.task_count = tasks;
  return options;
}

TEST(LoadTest, ClosedAndOpenLoopsSendSoManyTasksInEveryMode) {
  FakeServer server(&Succeed, &SucceedAll);
  for (const Mode mode : {Mode::kUnary, Mode::kStream, Mode::kBatched}) {
    for (const bool open : {false, true}) {
      LoadOptions options = So(server, mode, 1003);  // no whole number of batches
      if (open) options.rate = 1e6;
      const Figures figures = Load(std::move(options)).Take();
      EXPECT_TRUE(figures.failure.ok()) << figures.failure;
      EXPECT_EQ(figures.sent, 1003u);
      EXPECT_THAT(figures.endings, ElementsAre(Pair(v1::SUCCEEDED, 1003)));
      EXPECT_EQ(figures.planned, open ? 1003u : 0u);
      EXPECT_EQ(figures.unsent, 0u);
      EXPECT_GT(figures.rate, 0);
      EXPECT_LE(figures.latency.p50_ns, figures.latency.max_ns);
      EXPECT_FALSE(figures.interrupted || figures.full);
    }
  }
}

TEST(LoadTest, ABatchIsOneMessage) {
  absl::Mutex mutex;
  std::vector<int> sizes;
  FakeServer server([&](grpc::ServerContext*, FakeServer::Stream* stream) {
    v1::RunStreamRequest request;
    while (stream->Read(&request)) {
      v1::RunStreamReply reply;
      for (const v1::StreamTask& task : request.tasks()) {
        v1::StreamOutcome* outcome = reply.add_outcomes();
        outcome->set_client_id(task.client_id());
        outcome->mutable_outcome()->set_ending(v1::SUCCEEDED);
      }
      {
        absl::MutexLock lock(&mutex);
        sizes.push_back(request.tasks_size());
      }
      stream->Write(reply);
    }
    return grpc::Status::OK;
  });
  Load(So(server, Mode::kBatched, 20)).Take();
  std::sort(sizes.begin(), sizes.end());
  EXPECT_THAT(sizes, ElementsAre(4, 8, 8));
}

TEST(LoadTest, TasksAreSentInTurn) {
  absl::Mutex mutex;
  std::map<std::string, int> seen;
  FakeServer server([&](const v1::Task& task, grpc::ServerContext*, v1::Outcome* outcome) {
    absl::MutexLock lock(&mutex);
    ++seen[task.source().code()];
    outcome->set_ending(v1::SUCCEEDED);
    return grpc::Status::OK;
  });
  LoadOptions options = So(server, Mode::kUnary, 30);
  options.tasks = {Script("a"), Script("b"), Script("c")};
  Load(std::move(options)).Take();
  EXPECT_THAT(seen, ElementsAre(Pair("a", 10), Pair("b", 10), Pair("c", 10)));
}

TEST(LoadTest, NeverMoreUnderWayThanOutstanding) {
  std::atomic<int> under_way = 0, most = 0;
  FakeServer server([&](const v1::Task&, grpc::ServerContext*, v1::Outcome* outcome) {
    const int now = ++under_way;
    for (int before = most; before < now && !most.compare_exchange_weak(before, now);) continue;
    outcome->set_ending(v1::SUCCEEDED);
    --under_way;
    return grpc::Status::OK;
  });
  for (const bool open : {false, true}) {
    LoadOptions options = So(server, Mode::kUnary, 500);
    options.outstanding = 3;
    if (open) options.rate = 1e6;
    EXPECT_EQ(Load(std::move(options)).Take().sent, 500u);
    EXPECT_LE(most, 3);
  }
}

TEST(LoadTest, ARefusalIsCountedAndTheLoadGoesOn) {
  std::atomic<int> asked = 0;
  FakeServer server([&](const v1::Task&, grpc::ServerContext*, v1::Outcome* outcome) {
    if (++asked % 4 == 0) return FakeServer::Refuse(grpc::StatusCode::RESOURCE_EXHAUSTED, "full", "QUEUE_FULL", 1);
    outcome->set_ending(v1::SUCCEEDED);
    return grpc::Status::OK;
  });
  const Figures figures = Load(So(server, Mode::kUnary, 400)).Take();
  EXPECT_THAT(figures.endings, ElementsAre(Pair(v1::SUCCEEDED, 300)));
  EXPECT_THAT(figures.refused, ElementsAre(Pair("QUEUE_FULL", 100)));
  EXPECT_EQ(figures.sent, figures.ended() + figures.refused_sum());
}

TEST(LoadTest, AFailureEndsTheLoadAndIsKept) {
  FakeServer server([](const v1::Task&, grpc::ServerContext*, v1::Outcome*) {
    return FakeServer::Invalid("task.source.code", "is no Python");
  });
  LoadOptions options = So(server, Mode::kUnary, 1000);
  const Figures figures = Load(options).Take();
  EXPECT_EQ(figures.failure.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_GT(figures.unanswered, 0u);
  EXPECT_EQ(figures.sent, figures.unanswered);
  EXPECT_FALSE(figures.interrupted);
  options.warm_up_ns = kNsPerSecond;
  const Figures warm = Load(options).Take();
  EXPECT_EQ(warm.failure.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(warm.sent, 0u) << "the measured time never began";
}

TEST(LoadTest, AStreamThatBreaksIsAFailure) {
  FakeServer server([](grpc::ServerContext*, FakeServer::Stream* stream) {
    v1::RunStreamRequest request;
    stream->Read(&request);
    return grpc::Status(grpc::StatusCode::INTERNAL, "broken");
  });
  for (const bool open : {false, true}) {
    LoadOptions options = So(server, Mode::kStream, 10'000);
    if (open) options.rate = 1e6;
    const Figures figures = Load(std::move(options)).Take();
    EXPECT_EQ(figures.failure.code(), absl::StatusCode::kInternal) << figures.failure;
    EXPECT_EQ(figures.sent, figures.unanswered);
    EXPECT_EQ(figures.planned, open ? figures.sent + figures.unsent : 0);
  }
}

TEST(LoadTest, StopCancelsWhatIsUnderWayAndKeepsWhatHasEnded) {
  std::atomic<int> asked = 0;
  absl::Notification stuck;
  FakeServer server([&](const v1::Task&, grpc::ServerContext* context, v1::Outcome* outcome) {
    const int number = ++asked;
    if (number <= 10) {
      outcome->set_ending(v1::SUCCEEDED);
      return grpc::Status::OK;
    }
    if (number == 14) stuck.Notify();
    while (!context->IsCancelled()) absl::SleepFor(absl::Milliseconds(1));  // the only way to hear of it
    return grpc::Status::CANCELLED;
  });
  LoadOptions options = So(server, Mode::kUnary, 1000);
  options.outstanding = 4;
  Load load(std::move(options));
  stuck.WaitForNotification();
  load.Stop();
  const Figures figures = load.Take();
  EXPECT_TRUE(figures.interrupted);
  EXPECT_TRUE(figures.failure.ok()) << figures.failure;
  EXPECT_THAT(figures.endings, ElementsAre(Pair(v1::SUCCEEDED, 10)));
  EXPECT_EQ(figures.unanswered, 4u);
  EXPECT_EQ(figures.sent, 14u);
}

TEST(LoadTest, AnOpenLoopThatFindsNoRoomIsLateAndLeavesTheRestUnsent) {
  absl::Notification over;
  FakeServer server([&](const v1::Task&, grpc::ServerContext*, v1::Outcome* outcome) {
    over.WaitForNotification();
    outcome->set_ending(v1::SUCCEEDED);
    return grpc::Status::OK;
  });
  LoadOptions options = So(server, Mode::kUnary, 0);
  options.task_count = std::nullopt;
  options.outstanding = 2;
  options.rate = 1000;
  options.spacing = Spacing::kEven;
  options.length_ns = kNsPerSecond / 20;
  Load load(std::move(options));
  // Once the sending has stopped: 50 were planned by then.
  while (load.progress().elapsed_ns < kNsPerSecond / 10) std::this_thread::yield();
  over.Notify();
  const Figures figures = load.Take();
  EXPECT_EQ(figures.planned, 50u);
  EXPECT_EQ(figures.sent, 2u);
  EXPECT_EQ(figures.unsent, 48u);
  EXPECT_GE(figures.latency.max_ns, kNsPerSecond / 20) << "from the planned moment";
}

}  // namespace
}  // namespace gild::bench
