#include "server/service/health.h"

#include <gmock/gmock.h>

#include "server/task/capacity.h"
#include "tests/server/service/rpc_fixture.h"

namespace gild {
namespace {

namespace health_v1 = grpc::health::v1;
using health_v1::HealthCheckResponse;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

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
  EXPECT_THAT(service.status, ElementsAre(Pair("", false), Pair("gild.lane.cpu", false), Pair("gild.lane.io", false)));
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
  Health::Now now{.serving = {{LaneKind::kIo, true}, {LaneKind::kCpu, false}}};
  Health health(server_->health(), [&] { return now; });
  health.Check();
  EXPECT_EQ(Serving("gild.lane.io"), HealthCheckResponse::SERVING);
  EXPECT_EQ(Serving("gild.lane.cpu"), HealthCheckResponse::NOT_SERVING);
  EXPECT_EQ(Serving(""), HealthCheckResponse::NOT_SERVING);
  now.serving[LaneKind::kCpu] = true;
  health.Check();
  EXPECT_EQ(Serving(""), HealthCheckResponse::SERVING);
  server_->health()->SetServingStatus(false);
  EXPECT_EQ(Serving("gild.lane.io"), HealthCheckResponse::NOT_SERVING);
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
  health.SetServingStatus("gild.lane.io", false);
  Watcher watcher(channel_, "gild.lane.io");
  EXPECT_EQ(watcher.Next(), HealthCheckResponse::NOT_SERVING);
  health.SetServingStatus("gild.lane.cpu", true);  // nothing to it
  health.SetServingStatus("gild.lane.io", true);
  EXPECT_EQ(watcher.Next(), HealthCheckResponse::SERVING);
  health.SetServingStatus("gild.lane.io", false);
  EXPECT_EQ(watcher.Next(), HealthCheckResponse::NOT_SERVING);
}

TEST_F(HealthServiceTest, AWatchedNameMayBecomeKnown) {
  Start();
  Watcher watcher(channel_, "later");
  EXPECT_EQ(watcher.Next(), HealthCheckResponse::SERVICE_UNKNOWN);
  server_->health()->SetServingStatus("later", true);
  EXPECT_EQ(watcher.Next(), HealthCheckResponse::SERVING);
}

TEST_F(HealthServiceTest, WatchersAreBoundedAndMakeRoomWhenTheyGo) {
  Start();
  server_->health()->SetServingStatus("io", true);
  std::vector<std::unique_ptr<Watcher>> watchers;
  for (size_t i = 0; i < kHealthWatchersMax; ++i) {
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
  server_->health()->SetServingStatus("io", true);
  Watcher watcher(channel_, "io");
  EXPECT_EQ(watcher.Next(), HealthCheckResponse::SERVING);
  server_->Shutdown();
  EXPECT_EQ(watcher.Next(), -1);
}

}  // namespace
}  // namespace gild
