#include "client/cpp/client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <memory>

#include "absl/synchronization/blocking_counter.h"
#include "absl/synchronization/notification.h"
#include "client/cpp/durations.h"
#include "tests/client/fake_server.h"

namespace gild {
namespace {

using Kind = ServerError::Kind;

grpc::Status Echo(const v1::Task& task, grpc::ServerContext*, v1::Outcome* outcome) {
  outcome->set_ending(v1::SUCCEEDED);
  outcome->mutable_result()->set_json(task.source().code());
  return grpc::Status::OK;
}

// Answers when the client has gone away.
grpc::Status UntilCancelled(const v1::Task&, grpc::ServerContext* context, v1::Outcome*) {
  while (!context->IsCancelled()) absl::SleepFor(absl::Milliseconds(1));
  return grpc::Status::CANCELLED;
}

// A port on which nobody listens: bound, never listened to, so that no one else gets it.
class DeafPort {
 public:
  DeafPort() : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    EXPECT_EQ(bind(fd_, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size), 0);
    port_ = ntohs(address.sin_port);
  }
  ~DeafPort() { close(fd_); }
  std::string address() const { return absl::StrCat("127.0.0.1:", port_); }

 private:
  const int fd_;
  int port_ = 0;
};

TEST(ClientTest, RunBringsTheOutcome) {
  FakeServer server(&Echo);
  Client client(server.address());
  const absl::StatusOr<v1::Outcome> outcome = client.Run(Script("42"));
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  EXPECT_EQ(outcome->ending(), v1::SUCCEEDED);
  EXPECT_EQ(outcome->result().json(), "42");
}

TEST(ClientTest, AFunctionIsPutAndNamed) {
  FakeServer server(&Echo);
  Client client(server.address());
  EXPECT_EQ(client.PutFunction("pickle").value(), "hash of pickle");
  EXPECT_EQ(ServerError::From(client.PutFunction("").status()).kind, Kind::kInvalid);
}

TEST(ClientTest, EveryAsynchronousTaskComesBackOnceWithItsOwnOutcome) {
  FakeServer server(&Echo);
  Client client(server.address());
  constexpr int kTasks = 300;
  absl::BlockingCounter left(kTasks);
  std::atomic<int> right = 0;
  for (int i = 0; i < kTasks; ++i) {
    client.RunAsync(Script(absl::StrCat(i)), [&, i](absl::StatusOr<const v1::Outcome*> outcome) {
      if (outcome.ok() && (*outcome)->result().json() == absl::StrCat(i)) ++right;
      left.DecrementCount();
    });
  }
  left.Wait();
  EXPECT_EQ(right, kTasks);
}

TEST(ClientTest, ARefusalSaysWhyAndWhenToComeBack) {
  FakeServer server([](const v1::Task&, grpc::ServerContext*, v1::Outcome*) {
    return FakeServer::Refuse(grpc::StatusCode::RESOURCE_EXHAUSTED, "4096 tasks wait", "QUEUE_FULL", 3);
  });
  Client client(server.address());
  const absl::StatusOr<v1::Outcome> outcome = client.Run(Script(""));
  ASSERT_FALSE(outcome.ok());
  const ServerError error = ServerError::From(outcome.status());
  EXPECT_EQ(error.kind, Kind::kRefused);
  EXPECT_EQ(error.reason, "QUEUE_FULL");
  EXPECT_EQ(error.retry_delay, absl::Seconds(3));
  EXPECT_THAT(error.metadata, testing::ElementsAre(testing::Pair("lane", "io")));
}

TEST(ClientTest, AMissingFunctionIsNamed) {
  FakeServer server([](const v1::Task&, grpc::ServerContext*, v1::Outcome*) {
    return FakeServer::Refuse(grpc::StatusCode::FAILED_PRECONDITION, "no function", "FUNCTION_MISSING", 0);
  });
  Client client(server.address());
  EXPECT_EQ(ServerError::From(client.Run(Script("")).status()).kind, Kind::kFunctionMissing);
}

TEST(ClientTest, DrainingIsToldFromUnreachable) {
  FakeServer server([](const v1::Task&, grpc::ServerContext*, v1::Outcome*) {
    return FakeServer::Refuse(grpc::StatusCode::UNAVAILABLE, "draining", "DRAINING", 10);
  });
  Client client(server.address());
  EXPECT_EQ(ServerError::From(client.Run(Script("")).status()).kind, Kind::kDraining);
  const DeafPort deaf;
  Client nobody(deaf.address());
  EXPECT_EQ(ServerError::From(nobody.Run(Script("")).status()).kind, Kind::kConnectionRefused);
}

// Texts as gRPC 1.51 makes them. They are no promise of gRPC's: another version may need another list.
TEST(ServerErrorTest, TheTextTellsWhyAServerIsUnavailable) {
  const std::pair<const char*, Kind> texts[] = {
      {"DNS resolution failed for no-such-host.invalid:1: C-ares status is not ARES_SUCCESS qtype=AAAA "
       "name=no-such-host.invalid is_balancer=0: Domain name not found",
       Kind::kNoRoute},
      {"failed to connect to all addresses; last error: UNKNOWN: ipv4:127.0.0.1:1: Failed to connect to remote host: "
       "Connection refused",
       Kind::kConnectionRefused},
      {"failed to connect to all addresses; last error: UNKNOWN: unix:/no/such: Failed to connect to remote host: No "
       "such file or directory",
       Kind::kConnectionRefused},
      {"failed to connect to all addresses; last error: UNKNOWN: ipv4:10.0.0.1:1: Failed to connect to remote host: "
       "No route to host",
       Kind::kNoRoute},
      {"failed to connect to all addresses; last error: UNKNOWN: ipv4:10.0.0.1:1: connection attempt timed out before "
       "receiving SETTINGS frame",
       Kind::kNoRoute},
      {"failed to connect to all addresses; last error: UNAVAILABLE: ipv4:127.0.0.1:1: Trying to connect an http1.x "
       "server",
       Kind::kNotGrpc},
      {"Socket closed", Kind::kConnectionLost},
      {"recvmsg:Connection reset by peer", Kind::kConnectionLost},
      {"a text of some other version", Kind::kConnectionLost},
  };
  for (const auto& [text, kind] : texts) EXPECT_EQ(ServerError::From(absl::UnavailableError(text)).kind, kind) << text;
}

TEST(ClientTest, ALostConnectionIsMadeAgain) {
  absl::Notification started;
  auto server = std::make_unique<FakeServer>([&](const v1::Task&, grpc::ServerContext* context, v1::Outcome* outcome) {
    started.Notify();
    return UntilCancelled({}, context, outcome);
  });
  Client client(server->address());
  absl::Notification ended;
  absl::Status status;
  client.RunAsync(Script(""), [&](absl::StatusOr<const v1::Outcome*> outcome) {
    status = outcome.status();
    ended.Notify();
  });
  started.WaitForNotification();
  const std::string address = server->address();
  server.reset();
  ended.WaitForNotification();
  EXPECT_EQ(ServerError::From(status).kind, Kind::kConnectionLost) << status;
  FakeServer again(&Echo, address);
  absl::StatusOr<v1::Outcome> outcome;
  do {
    outcome = client.Run(Script("42"));
    // gRPC may not be through with the old connection yet.
  } while (!outcome.ok() && ServerError::From(outcome.status()).kind == Kind::kConnectionLost);
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  EXPECT_EQ(outcome->result().json(), "42");
}

TEST(ClientTest, AWrongFieldIsNamed) {
  FakeServer server([](const v1::Task&, grpc::ServerContext*, v1::Outcome*) {
    return FakeServer::Invalid("task.limits.cpu", "CPU lane only");
  });
  Client client(server.address());
  const ServerError error = ServerError::From(client.Run(Script("")).status());
  EXPECT_EQ(error.kind, Kind::kInvalid);
  ASSERT_EQ(error.field_violations.size(), 1u);
  EXPECT_EQ(error.field_violations[0].field, "task.limits.cpu");
}

TEST(ClientTest, DetailsThatDoNotParseAreLeftOut) {
  const grpc::Status status(grpc::StatusCode::UNAVAILABLE, "Socket closed", "\xff\xff not a message");
  const ServerError error = ServerError::From(status);
  EXPECT_EQ(error.kind, Kind::kConnectionLost);
  EXPECT_EQ(error.reason, "");
}

TEST(ClientTest, CancelStopsTheTaskOnTheServer) {
  absl::Notification started;
  absl::Notification stopped;
  FakeServer server([&](const v1::Task& task, grpc::ServerContext* context, v1::Outcome* outcome) {
    started.Notify();
    const grpc::Status status = UntilCancelled(task, context, outcome);
    stopped.Notify();
    return status;
  });
  Client client(server.address());
  absl::Notification ended;
  absl::Status status;
  Client::Call call = client.RunAsync(Script(""), [&](absl::StatusOr<const v1::Outcome*> outcome) {
    status = outcome.status();
    ended.Notify();
  });
  started.WaitForNotification();
  call.Cancel();
  ended.WaitForNotification();
  EXPECT_EQ(ServerError::From(status).kind, Kind::kCancelled);
  stopped.WaitForNotification();
  call.Cancel();  // after the end: nothing
}

TEST(ClientTest, TheDestructorCancelsAndWaitsForCallbacks) {
  absl::Notification started;
  FakeServer server([&](const v1::Task& task, grpc::ServerContext* context, v1::Outcome* outcome) {
    started.Notify();
    return UntilCancelled(task, context, outcome);
  });
  bool called = false;
  auto client = std::make_unique<Client>(server.address());
  client->RunAsync(Script(""), [&called](absl::StatusOr<const v1::Outcome*>) { called = true; });
  started.WaitForNotification();
  client.reset();
  EXPECT_TRUE(called);
}

TEST(ClientTest, ATaskThatIsTooLargeIsNotSent) {
  std::atomic<int> calls = 0;
  FakeServer server([&calls](const v1::Task& task, grpc::ServerContext* context, v1::Outcome* outcome) {
    ++calls;
    return Echo(task, context, outcome);
  });
  Client client(server.address());
  v1::Task task = Script("");
  task.mutable_source()->add_arguments()->set_raw(std::string(49 << 20, 'x'));
  EXPECT_EQ(client.Run(task).status().code(), absl::StatusCode::kInvalidArgument);
  absl::Notification ended;
  absl::Status status;
  client.RunAsync(task, [&](absl::StatusOr<const v1::Outcome*> outcome) {
    status = outcome.status();
    ended.Notify();
  });
  ended.WaitForNotification();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(calls, 0);
  // The largest that fits does arrive.
  task.mutable_source()->mutable_arguments(0)->set_raw(std::string((48 << 20) - 100, 'x'));
  EXPECT_TRUE(client.Run(task).ok());
  EXPECT_EQ(calls, 1);
}

TEST(ClientTest, TheDeadlineLeavesTimeForTheReply) {
  v1::Limits limits;
  EXPECT_EQ(Client::DeadlineOf(limits), absl::Seconds(92));
  limits.mutable_wall()->set_seconds(5);
  *limits.mutable_queue() = ToProto(absl::Milliseconds(500));
  EXPECT_EQ(Client::DeadlineOf(limits), absl::Milliseconds(7500));
  limits.mutable_wall()->set_seconds(315576000000);
  EXPECT_LE(Client::DeadlineOf(limits), absl::Hours(24 * 7));
}

TEST(ClientTest, MonitorAnswers) {
  FakeServer server(&Echo);
  Client client(server.address());
  EXPECT_EQ(client.GetInfo()->python_version(), "3.11.2");
  EXPECT_EQ(client.GetStats()->uptime().seconds(), 7);
}

}  // namespace
}  // namespace gild
