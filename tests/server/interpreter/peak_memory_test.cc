#include "server/interpreter/peak_memory.h"

#include <algorithm>

#include "gtest/gtest.h"

namespace gild {
namespace {

// The kernel's figures, and how often it was asked to reset.
int64_t resident;
int64_t peak;
int resets;
bool resettable;

class PeakMemoryTest : public testing::Test {
 protected:
  PeakMemoryTest() {
    resident = peak = 1000;
    resets = 0;
    resettable = true;
  }

  void Use(int64_t bytes) {
    resident += bytes;
    peak = std::max(peak, resident);
  }
  // One task, which uses so much and gives it back. Its peak; -1: unknown.
  int64_t Task(int64_t bytes) {
    now_ns_ += kNsPerUs;
    const bool known = peak_.Begin(now_ns_);
    Use(bytes);
    Use(-bytes);
    const std::optional<int64_t> end = peak_.End();
    return known && end ? *end : -1;
  }

  int64_t now_ns_ = kNsPerSecond;
  PeakMemory peak_{{.reset =
                        [] {
                          ++resets;
                          if (resettable) peak = resident;
                          return resettable;
                        },
                    .bytes = [] { return std::optional<int64_t>(peak); }}};
};

TEST_F(PeakMemoryTest, EachTaskHasItsOwn) {
  EXPECT_EQ(Task(500), 1500);
  EXPECT_EQ(Task(0), 1000);
  EXPECT_EQ(Task(200), 1200);
  EXPECT_EQ(Task(100), 1100);
}

TEST_F(PeakMemoryTest, TasksThatRaiseNothingShareAReset) {
  for (int i = 0; i < 100; ++i) EXPECT_EQ(Task(0), 1000);
  EXPECT_EQ(resets, 1);
  EXPECT_EQ(Task(500), 1500);
  EXPECT_EQ(resets, 1);
  EXPECT_EQ(Task(0), 1000);
  EXPECT_EQ(resets, 2);
}

TEST_F(PeakMemoryTest, WhatWasGivenBackCountsNoLongerThanAMoment) {
  EXPECT_EQ(Task(0), 1000);
  Use(-600);
  EXPECT_EQ(Task(0), 1000);
  now_ns_ += PeakMemory::kResetNs;
  EXPECT_EQ(Task(0), 400);
}

TEST_F(PeakMemoryTest, WhatCannotBeResetIsUnknown) {
  resettable = false;
  EXPECT_EQ(Task(500), -1);
  EXPECT_EQ(Task(0), -1);
  resettable = true;
  EXPECT_EQ(Task(0), 1000);
}

}  // namespace
}  // namespace gild
