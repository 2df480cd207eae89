#include "server/lane/reading_pace.h"

#include <limits>

#include "gtest/gtest.h"

namespace gild {
namespace {

class ReadingPaceTest : public testing::Test {
 protected:
  // So many tasks that were sent together, and take so long each.
  void Run(int tasks, int64_t each_ns) {
    const int64_t sent_ns = now_ns_;
    for (int i = 0; i < tasks; ++i) {
      now_ns_ += each_ns;
      pace_.Read(50);
      pace_.Ended(sent_ns, now_ns_, now_ns_);
    }
  }

  int64_t now_ns_ = 1000 * kNsPerSecond;
  ReadingPace pace_;
};

TEST_F(ReadingPaceTest, ItRestsForHalfOfWhatLiesReady) {
  Run(100, 10 * kNsPerUs);
  EXPECT_NEAR(pace_.RestNs(20), 100 * kNsPerUs, 5 * kNsPerUs);
  EXPECT_NEAR(pace_.RestNs(10), 50 * kNsPerUs, 5 * kNsPerUs);
}

TEST_F(ReadingPaceTest, WhereLittleLiesReadyItDoesNotRest) {
  Run(100, 100 * kNsPerUs);
  EXPECT_EQ(pace_.RestNs(0), 0);
  EXPECT_EQ(pace_.RestNs(ReadingPace::kReadyMin - 1), 0);
  EXPECT_GT(pace_.RestNs(ReadingPace::kReadyMin), 0);
  Run(100, 1 * kNsPerUs);
  EXPECT_EQ(pace_.RestNs(4), 0) << "too short to be worth it";
}

TEST_F(ReadingPaceTest, ItNeverRestsForLong) {
  Run(100, kNsPerSecond);
  EXPECT_EQ(pace_.RestNs(63), ReadingPace::kRestNsMax);
}

TEST_F(ReadingPaceTest, TimeWithNothingToDoIsNobodys) {
  for (int i = 0; i < 50; ++i) {
    now_ns_ += kNsPerMs;
    Run(4, 10 * kNsPerUs);
  }
  EXPECT_LE(pace_.RestNs(20), 100 * kNsPerUs);
}

TEST_F(ReadingPaceTest, AfterMuchWasReadItLooksOnOnce) {
  Run(100, 10 * kNsPerUs);
  pace_.Read(ReadingPace::kBytesMax);
  EXPECT_EQ(pace_.RestNs(20), 0);
  EXPECT_GT(pace_.RestNs(20), 0);
}

TEST_F(ReadingPaceTest, TheChildsNonsenseBoundsItsOwnRestOnly) {
  for (const int64_t end_ns : {std::numeric_limits<int64_t>::min(), int64_t{-1}, int64_t{0},
                               std::numeric_limits<int64_t>::max(), int64_t{5}}) {
    pace_.Ended(now_ns_, end_ns, now_ns_);
    const int64_t rest_ns = pace_.RestNs(63);
    EXPECT_GE(rest_ns, 0);
    EXPECT_LE(rest_ns, ReadingPace::kRestNsMax);
  }
  // And not for good.
  Run(100, 10 * kNsPerUs);
  EXPECT_NEAR(pace_.RestNs(20), 100 * kNsPerUs, 5 * kNsPerUs);
}

}  // namespace
}  // namespace gild
