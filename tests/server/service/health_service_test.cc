#include "server/service/health_service.h"

#include <gmock/gmock.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "server/service/health.h"
#include "server/task/capacity.h"
#include "tests/server/service/rpc_fixture.h"

namespace gild {
namespace {

namespace health_v1 = grpc::health::v1;
using health_v1::HealthCheckResponse;
using ::testing::HasSubstr;

class HealthServiceTest : public RpcServerTest {
 protected:
  // Of the status and, where there is one, what is served.
  grpc::Status Check(const std::string& service, HealthCheckResponse* response) {
    grpc::ClientContext context;
    return health_v1::Health::NewStub(channel_)->Check(&context, Request(service), response);
  }
  HealthCheckResponse::ServingStatus Serving(const std::string& service) {
    HealthCheckResponse response;
    const grpc::Status status = Check(service, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response.status();
  }
  static health_v1::HealthCheckRequest Request(const std::string& service) {
    health_v1::HealthCheckRequest request;
    request.set_service(service);
    return request;
  }

  struct Watcher {
    Watcher(const std::shared_ptr<grpc::Channel>& channel, const std::string& service)
        : reader(health_v1::Health::NewStub(channel)->Watch(&context, Request(service))) {}
    // -1: the watch is over.
    int Next() {
      HealthCheckResponse response;
      return reader->Read(&response) ? response.status() : -1;
    }
    grpc::ClientContext context;
    const std::unique_ptr<grpc::ClientReader<HealthCheckResponse>> reader;
  };
};

TEST_F(HealthServiceTest, CheckTellsWhatWasSet) {
  Start();
  for (const std::string& name : Health::Names()) EXPECT_EQ(Serving(name), HealthCheckResponse::NOT_SERVING) << name;
  server_->health()->Set("gild.lane.io", true);
  EXPECT_EQ(Serving("gild.lane.io"), HealthCheckResponse::SERVING);
  EXPECT_EQ(Serving("gild.lane.cpu"), HealthCheckResponse::NOT_SERVING);
}

TEST_F(HealthServiceTest, CheckDoesNotKnowOtherNames) {
  Start();
  HealthCheckResponse response;
  EXPECT_EQ(Check("gild.lane.none", &response).error_code(), grpc::StatusCode::NOT_FOUND);
  const grpc::Status status = Check(std::string(kHealthNameBytesMax + 1, 'x'), &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("service"));
}

TEST_F(HealthServiceTest, AWatcherIsToldAtOnceAndAtEveryChange) {
  Start();
  HealthService& health = *server_->health();
  health.Set("gild.lane.io", false);
  Watcher watcher(channel_, "gild.lane.io");
  EXPECT_EQ(watcher.Next(), HealthCheckResponse::NOT_SERVING);
  health.Set("gild.lane.cpu", true);  // nothing to it
  health.Set("gild.lane.io", true);
  EXPECT_EQ(watcher.Next(), HealthCheckResponse::SERVING);
  health.Set("gild.lane.io", false);
  EXPECT_EQ(watcher.Next(), HealthCheckResponse::NOT_SERVING);
}

TEST_F(HealthServiceTest, AWatchedNameMayBecomeKnown) {
  Start();
  Watcher watcher(channel_, "later");
  EXPECT_EQ(watcher.Next(), HealthCheckResponse::SERVICE_UNKNOWN);
  server_->health()->Set("later", true);
  EXPECT_EQ(watcher.Next(), HealthCheckResponse::SERVING);
}

TEST_F(HealthServiceTest, AWatchedNameHasABoundToo) {
  Start();
  Watcher watcher(channel_, std::string(kHealthNameBytesMax + 1, 'x'));
  EXPECT_EQ(watcher.Next(), -1);
  EXPECT_EQ(watcher.reader->Finish().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(HealthServiceTest, WatchersComeAndGoWhileTheStatusChanges) {
  Start();
  std::atomic<bool> enough = false;
  std::thread flips([&] {
    for (bool serving = true; !enough; serving = !serving) server_->health()->Set("io", serving);
  });
  for (int i = 0; i < 200; ++i) {
    Watcher watcher(channel_, "io");
    int before = -1;
    for (int told = 0; told < i % 4; ++told) {
      const int now = watcher.Next();
      EXPECT_NE(now, before);
      before = now;
    }
    watcher.context.TryCancel();
  }
  enough = true;
  flips.join();
}

TEST_F(HealthServiceTest, CallsMayArriveDuringTheShutdown) {
  Start();
  std::atomic<bool> enough = false;
  std::thread clients([&] {
    while (!enough) {
      Watcher watcher(channel_, "");
      HealthCheckResponse response;
      grpc::ClientContext context;
      context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(1));
      (void)health_v1::Health::NewStub(channel_)->Check(&context, Request(""), &response);
      watcher.context.TryCancel();
    }
  });
  EXPECT_EQ(Serving(""), HealthCheckResponse::NOT_SERVING);
  server_->Shutdown();
  enough = true;
  clients.join();
}

TEST_F(HealthServiceTest, WatchesAreBoundedAndMakeRoomWhenTheyGo) {
  Start();
  server_->health()->Set("io", true);
  std::vector<std::unique_ptr<Watcher>> watchers;
  for (size_t i = 0; i < kHealthWatchesMax; ++i) {
    watchers.push_back(std::make_unique<Watcher>(channel_, "io"));
    ASSERT_EQ(watchers.back()->Next(), HealthCheckResponse::SERVING);
  }
  Watcher one_more(channel_, "io");
  EXPECT_EQ(one_more.Next(), -1);
  EXPECT_EQ(one_more.reader->Finish().error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);

  watchers.front()->context.TryCancel();
  EXPECT_EQ(watchers.front()->Next(), -1);
  EXPECT_EQ(watchers.front()->reader->Finish().error_code(), grpc::StatusCode::CANCELLED);
  int next = -1;
  while (next == -1) next = Watcher(channel_, "io").Next();  // until the server knows it, too
  EXPECT_EQ(next, HealthCheckResponse::SERVING);
}

TEST_F(HealthServiceTest, AShutdownEndsTheWatches) {
  Start();
  server_->health()->Set("io", true);
  Watcher watcher(channel_, "io");
  EXPECT_EQ(watcher.Next(), HealthCheckResponse::SERVING);
  server_->Shutdown();
  EXPECT_EQ(watcher.Next(), -1);
}

}  // namespace
}  // namespace gild
