#include "client/cpp/task_watch.h"

#include <gtest/gtest.h>

#include <memory>
#include <thread>

#include "absl/synchronization/notification.h"
#include "client/cpp/client.h"
#include "tests/client/fake_server.h"
#include "tests/client/followed_server.h"

namespace gild {
namespace {

using Kind = ServerError::Kind;

TEST(TaskWatchTest, WhatTheTaskPrintsComesAsItDoes) {
  FollowedServer server;
  Client client(server.address());
  const auto watch = client.OpenWatch(FollowedServer::kTaskId);
  v1::WatchReply reply;
  server.Print("out", "err");
  ASSERT_TRUE(watch->Next(&reply));
  EXPECT_EQ(reply.stdout(), "out");
  EXPECT_EQ(reply.stderr(), "err");
  server.Progress(3, 10);
  ASSERT_TRUE(watch->Next(&reply));
  EXPECT_EQ(reply.stdout(), "");
  EXPECT_EQ(reply.progress().done(), 3u);
  server.EndWatch(grpc::Status::OK);
  EXPECT_FALSE(watch->Next(&reply));
  EXPECT_TRUE(watch->Finish().ok());
}

TEST(TaskWatchTest, ATaskThatIsNotThereIsNotFound) {
  FollowedServer server;
  Client client(server.address());
  const auto watch = client.OpenWatch("another");
  v1::WatchReply reply;
  EXPECT_FALSE(watch->Next(&reply));
  EXPECT_EQ(watch->Finish().code(), absl::StatusCode::kNotFound);
}

TEST(TaskWatchTest, AServerWithoutItSaysSo) {
  FakeServer server(FakeServer::RunHandler(nullptr));
  Client client(server.address());
  EXPECT_EQ(ServerError::From(client.OpenWatch("x")->Finish()).kind, Kind::kUnimplemented);
}

TEST(TaskWatchTest, CancelEndsAWatchThatWaits) {
  FollowedServer server;
  Client client(server.address());
  const auto watch = client.OpenWatch(FollowedServer::kTaskId);
  server.Print("it is on");
  v1::WatchReply reply;
  ASSERT_TRUE(watch->Next(&reply));
  std::thread canceller([&] { watch->Cancel(); });
  EXPECT_FALSE(watch->Next(&reply));
  EXPECT_EQ(ServerError::From(watch->Finish()).kind, Kind::kCancelled);
  canceller.join();
}

TEST(TaskWatchTest, TheDestructorEndsIt) {
  FollowedServer server;
  Client client(server.address());
  const auto watch = client.OpenWatch(FollowedServer::kTaskId);
}

// ---- the id that a watch needs ----

TEST(AnnouncementTest, TheIdIsKnownWhileTheTaskRuns) {
  FollowedServer server;
  Client client(server.address());
  absl::Notification accepted, ended;
  std::string id;
  absl::StatusOr<v1::Outcome> result;
  client.RunAsync(
      Script(""),
      [&](absl::StatusOr<const v1::Outcome*> outcome) {
        result = CopyOf(outcome);
        ended.Notify();
      },
      [&](const std::string& task_id) {
        id = task_id;
        accepted.Notify();
      });
  accepted.WaitForNotification();
  EXPECT_FALSE(ended.HasBeenNotified());
  EXPECT_EQ(id, FollowedServer::kTaskId);
  v1::Outcome outcome;
  outcome.set_stdout("all of it");
  server.EndRun(outcome);
  ended.WaitForNotification();
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->stdout(), "all of it");
}

// Runs a task that nobody announces, to its end.
absl::StatusOr<v1::Outcome> RunUnannounced(Client* client) {
  absl::Notification ended;
  absl::StatusOr<v1::Outcome> result;
  client->RunAsync(
      Script("7"),
      [&](absl::StatusOr<const v1::Outcome*> outcome) {
        result = CopyOf(outcome);
        ended.Notify();
      },
      [](const std::string& task_id) { ADD_FAILURE() << task_id; });
  ended.WaitForNotification();
  return result;
}

TEST(AnnouncementTest, ARefusedTaskHasNoIdAndAReason) {
  FakeServer server([](const v1::Task&, grpc::ServerContext*, v1::Outcome*) {
    return FakeServer::Refuse(grpc::StatusCode::RESOURCE_EXHAUSTED, "full", "QUEUE_FULL", 3);
  });
  Client client(server.address());
  EXPECT_EQ(ServerError::From(RunUnannounced(&client).status()).reason, "QUEUE_FULL");
}

TEST(AnnouncementTest, AServerThatAnnouncesNothingStillAnswers) {
  FakeServer server([](const v1::Task& task, grpc::ServerContext*, v1::Outcome* outcome) {
    outcome->set_stdout(task.source().code());
    return grpc::Status::OK;
  });
  Client client(server.address());
  const absl::StatusOr<v1::Outcome> outcome = RunUnannounced(&client);
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  EXPECT_EQ(outcome->stdout(), "7");
}

TEST(AnnouncementTest, ATaskThatIsCancelledBeforeItsAnnouncementEnds) {
  FollowedServer server(/*announces=*/false);
  Client client(server.address());
  absl::Notification ended;
  absl::Status status;
  Client::Call call = client.RunAsync(
      Script(""),
      [&](absl::StatusOr<const v1::Outcome*> outcome) {
        status = outcome.status();
        ended.Notify();
      },
      [](const std::string& task_id) { ADD_FAILURE() << task_id; });
  call.Cancel();
  ended.WaitForNotification();
  EXPECT_EQ(ServerError::From(status).kind, Kind::kCancelled);
}

}  // namespace
}  // namespace gild
