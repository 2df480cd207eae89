#include "client/cpp/task_stream.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/blocking_counter.h"
#include "absl/synchronization/notification.h"
#include "client/cpp/client.h"
#include "tests/client/fake_server.h"

namespace gild {
namespace {

using Stream = FakeServer::Stream;

v1::RunStreamReply Echo(const v1::StreamTask& task) {
  v1::RunStreamReply reply;
  v1::StreamOutcome* outcome = reply.add_outcomes();
  outcome->set_client_id(task.client_id());
  outcome->mutable_outcome()->set_ending(v1::SUCCEEDED);
  outcome->mutable_outcome()->mutable_result()->set_json(task.task().source().code());
  return reply;
}

grpc::Status EchoAll(grpc::ServerContext*, Stream* stream) {
  v1::RunStreamRequest request;
  while (stream->Read(&request)) {
    for (const v1::StreamTask& task : request.tasks()) stream->Write(Echo(task));
  }
  return grpc::Status::OK;
}

TEST(TaskStreamTest, EveryTaskComesBackOnceWithItsOwnOutcome) {
  FakeServer server(&EchoAll);
  Client client(server.address());
  auto stream = client.OpenStream({.window = 16});
  std::atomic<int> right = 0;
  for (int i = 0; i < 5000; ++i) {
    ASSERT_TRUE(stream
                    ->Run(Script(absl::StrCat(i)),
                          [&right, i](absl::StatusOr<const v1::Outcome*> outcome) {
                            if (outcome.ok() && (*outcome)->result().json() == absl::StrCat(i)) ++right;
                          })
                    .ok());
  }
  EXPECT_TRUE(stream->Finish().ok());
  EXPECT_EQ(right, 5000);
  EXPECT_FALSE(stream->Run(Script(""), nullptr).ok()) << "after Finish";
}

TEST(TaskStreamTest, NeverMoreInFlightThanTheWindow) {
  std::atomic<int> in_flight = 0, most = 0;
  FakeServer server([&](grpc::ServerContext*, Stream* stream) {
    v1::RunStreamRequest request;
    // Answers only once the window must be full.
    std::vector<v1::StreamTask> held;
    while (stream->Read(&request)) {
      held.insert(held.end(), request.tasks().begin(), request.tasks().end());
      if (held.size() < 8) continue;
      for (const v1::StreamTask& task : held) stream->Write(Echo(task));
      held.clear();
    }
    return grpc::Status::OK;
  });
  Client client(server.address());
  auto stream = client.OpenStream({.window = 8});
  for (int i = 0; i < 800; ++i) {
    ASSERT_TRUE(stream->Run(Script(""), [&](absl::StatusOr<const v1::Outcome*>) { --in_flight; }).ok());
    most = std::max<int>(most, ++in_flight);
  }
  EXPECT_TRUE(stream->Finish().ok());
  EXPECT_LE(most, 9);  // a callback that has not counted down yet
}

TEST(TaskStreamTest, ACallbackMayRunTheNext) {
  FakeServer server(&EchoAll);
  Client client(server.address());
  auto stream = client.OpenStream({.window = 1});
  absl::Notification ended;
  std::function<void(int)> next = [&](int left) {
    ASSERT_TRUE(stream
                    ->Run(Script(""),
                          [&, left](absl::StatusOr<const v1::Outcome*>) {
                            if (left == 0) return ended.Notify();
                            next(left - 1);
                          })
                    .ok());
  };
  next(100);
  ended.WaitForNotification();
  EXPECT_TRUE(stream->Finish().ok());
}

TEST(TaskStreamTest, ABatchIsOneMessageUpToTheMostOfAMessage) {
  std::vector<int> sizes;
  FakeServer server([&sizes](grpc::ServerContext*, Stream* stream) {
    v1::RunStreamRequest request;
    while (stream->Read(&request)) {
      sizes.push_back(request.tasks_size());
      for (const v1::StreamTask& task : request.tasks()) stream->Write(Echo(task));
    }
    return grpc::Status::OK;
  });
  Client client(server.address());
  const auto batch = [](int tasks, std::atomic<int>* ended) {
    std::vector<TaskStream::Item> items(tasks);
    for (TaskStream::Item& item : items)
      item.done = [ended](absl::StatusOr<const v1::Outcome*> outcome) { *ended += outcome.ok(); };
    return items;
  };
  std::atomic<int> ended = 0;
  auto stream = client.OpenStream({.window = 8, .message_tasks_max = 4});
  EXPECT_TRUE(stream->RunBatch(batch(4, &ended)).ok());
  EXPECT_TRUE(stream->RunBatch(batch(6, &ended)).ok());
  EXPECT_EQ(stream->RunBatch(batch(9, &ended)).code(), absl::StatusCode::kInvalidArgument) << "more than the window";
  EXPECT_TRUE(stream->Finish().ok());
  EXPECT_EQ(ended, 10);
  EXPECT_THAT(sizes, testing::ElementsAre(4, 4, 2));
  EXPECT_EQ(stream->RunBatch(batch(1, &ended)).code(), absl::StatusCode::kFailedPrecondition) << "after Finish";
}

TEST(TaskStreamTest, ARefusalIsThatTasksAlone) {
  FakeServer server([](grpc::ServerContext*, Stream* stream) {
    v1::RunStreamRequest request;
    while (stream->Read(&request)) {
      for (const v1::StreamTask& task : request.tasks()) {
        v1::RunStreamReply reply = Echo(task);
        if (task.task().source().code() == "refuse") {
          const grpc::Status status = FakeServer::Refuse(grpc::StatusCode::RESOURCE_EXHAUSTED, "full", "QUEUE_FULL", 3);
          reply.mutable_outcomes(0)->mutable_refusal()->ParseFromString(status.error_details());
        }
        stream->Write(reply);
      }
    }
    return grpc::Status::OK;
  });
  Client client(server.address());
  auto stream = client.OpenStream({});
  absl::Status refused;
  bool good = false;
  ASSERT_TRUE(
      stream->Run(Script("refuse"), [&](absl::StatusOr<const v1::Outcome*> outcome) { refused = outcome.status(); })
          .ok());
  ASSERT_TRUE(stream->Run(Script(""), [&](absl::StatusOr<const v1::Outcome*> outcome) { good = outcome.ok(); }).ok());
  EXPECT_TRUE(stream->Finish().ok());
  EXPECT_TRUE(good);
  const ServerError error = ServerError::From(refused);
  EXPECT_EQ(error.kind, ServerError::Kind::kRefused);
  EXPECT_EQ(error.reason, "QUEUE_FULL");
  EXPECT_EQ(error.retry_delay, absl::Seconds(3));
}

TEST(TaskStreamTest, ATaskThatIsTooLargeIsNotSent) {
  FakeServer server(&EchoAll);
  Client client(server.address());
  auto stream = client.OpenStream({.window = 1});
  v1::Task large = Script("");
  large.mutable_source()->add_arguments()->set_raw(std::string(49 << 20, 'x'));
  const auto refused =
      stream->Run(large, [](absl::StatusOr<const v1::Outcome*>) { ADD_FAILURE() << "of a task not taken"; });
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kInvalidArgument);
  // It takes no room in the window, and the stream lives on.
  bool good = false;
  ASSERT_TRUE(stream->Run(Script(""), [&](absl::StatusOr<const v1::Outcome*> outcome) { good = outcome.ok(); }).ok());
  EXPECT_TRUE(stream->Finish().ok());
  EXPECT_TRUE(good);
}

TEST(TaskStreamTest, ACancelFollowsItsTask) {
  FakeServer server([](grpc::ServerContext*, Stream* stream) {
    v1::RunStreamRequest request;
    std::map<uint64_t, v1::StreamTask> held;
    while (stream->Read(&request)) {
      for (const uint64_t id : request.cancel_client_ids()) {
        v1::RunStreamReply reply = Echo(held.at(id));
        reply.mutable_outcomes(0)->mutable_outcome()->set_ending(v1::CANCELLED);
        stream->Write(reply);
      }
      for (const v1::StreamTask& task : request.tasks()) held[task.client_id()] = task;
    }
    return grpc::Status::OK;
  });
  Client client(server.address());
  auto stream = client.OpenStream({});
  v1::Ending ending = v1::SUCCEEDED;
  for (int i = 0; i < 100; ++i) {
    const auto id =
        stream->Run(Script(""), [&](absl::StatusOr<const v1::Outcome*> outcome) { ending = (*outcome)->ending(); });
    ASSERT_TRUE(id.ok());
    stream->Cancel(*id);
  }
  EXPECT_TRUE(stream->Finish().ok());
  EXPECT_EQ(ending, v1::CANCELLED);
}

TEST(TaskStreamTest, ABrokenStreamEndsEveryCallbackWithTheReason) {
  FakeServer server([](grpc::ServerContext*, Stream* stream) {
    v1::RunStreamRequest request;
    for (int tasks = 0; tasks < 4;) {
      stream->Read(&request);
      tasks += request.tasks_size();
    }
    return grpc::Status(grpc::StatusCode::UNAVAILABLE, "going");
  });
  Client client(server.address());
  auto stream = client.OpenStream({.window = 4});
  absl::BlockingCounter left(4);
  for (int i = 0; i < 4; ++i) {
    ASSERT_TRUE(stream
                    ->Run(Script(""),
                          [&left](absl::StatusOr<const v1::Outcome*> outcome) {
                            EXPECT_EQ(outcome.status().message(), "going");
                            left.DecrementCount();
                          })
                    .ok());
  }
  left.Wait();
  // The window would be full: it does not wait for ever.
  EXPECT_EQ(stream->Run(Script(""), nullptr).status().message(), "going");
  EXPECT_EQ(stream->Finish().message(), "going");
}

TEST(TaskStreamTest, TheDestructorStopsWhatIsInFlight) {
  FakeServer server([](grpc::ServerContext*, Stream* stream) {
    v1::RunStreamRequest request;
    while (stream->Read(&request)) continue;  // never answers
    return grpc::Status::OK;
  });
  Client client(server.address());
  auto stream = client.OpenStream({});
  absl::Status status;
  ASSERT_TRUE(
      stream->Run(Script(""), [&](absl::StatusOr<const v1::Outcome*> outcome) { status = outcome.status(); }).ok());
  stream.reset();
  EXPECT_EQ(status.code(), absl::StatusCode::kCancelled);
}

}  // namespace
}  // namespace gild
