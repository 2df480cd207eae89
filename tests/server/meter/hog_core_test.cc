#include "server/meter/hog_core.h"

#include <gtest/gtest.h>

#include "server/base/clock.h"

namespace gild {
namespace {

TEST(HogCore, HogsOfOneSecondShareACore) {
  HogCore hog_core;
  EXPECT_EQ(hog_core.Choose(3, 10 * kNsPerSecond), 3);
  EXPECT_EQ(hog_core.Choose(1, 10 * kNsPerSecond + 5 * kNsPerMs), 3);
  EXPECT_EQ(hog_core.Choose(2, 11 * kNsPerSecond), 3);
}

TEST(HogCore, FollowsAHogThatTheKernelMoved) {
  HogCore hog_core;
  hog_core.Choose(3, 10 * kNsPerSecond);
  EXPECT_EQ(hog_core.Choose(1, 11 * kNsPerSecond + 1), 1);
  EXPECT_EQ(hog_core.Choose(3, 11 * kNsPerSecond + 2), 1);
}

}  // namespace
}  // namespace gild
