#include "server/service/health.h"

#include <gmock/gmock.h>

#include <map>

namespace gild {
namespace {

using ::testing::UnorderedElementsAre;

class HealthTest : public ::testing::Test {
 protected:
  std::map<std::string, bool> told_;
  int tells_ = 0;
  Health::Now now_{.serving = {{LaneKind::kIo, true}, {LaneKind::kCpu, true}}};
  Health health_{[this](const std::string& name, bool serving) {
                   told_[name] = serving;
                   ++tells_;
                 },
                 [this] { return now_; }};
};

TEST_F(HealthTest, NamesAreTheServersAndItsLanes) {
  EXPECT_THAT(Health::Names(), UnorderedElementsAre("", "gild.lane.io", "gild.lane.cpu"));
}

TEST_F(HealthTest, EachLaneSpeaksForItselfAndAllForTheServer) {
  now_.serving[LaneKind::kCpu] = false;
  health_.Check();
  EXPECT_TRUE(told_["gild.lane.io"]);
  EXPECT_FALSE(told_["gild.lane.cpu"]);
  EXPECT_FALSE(told_[""]);
  now_.serving[LaneKind::kCpu] = true;
  health_.Check();
  EXPECT_TRUE(told_["gild.lane.cpu"]);
  EXPECT_TRUE(told_[""]);
}

TEST_F(HealthTest, ADrainingServerServesNothing) {
  health_.Check();
  EXPECT_EQ(told_.size(), 3u);
  now_.draining = true;
  health_.Check();
  for (const auto& [name, serving] : told_) EXPECT_FALSE(serving) << name;
}

TEST_F(HealthTest, OnlyChangesAreTold) {
  health_.Check();
  EXPECT_EQ(tells_, 3);
  health_.Check();
  EXPECT_EQ(tells_, 3);
}

}  // namespace
}  // namespace gild
