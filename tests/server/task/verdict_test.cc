#include "server/task/verdict.h"

#include <gtest/gtest.h>

namespace gild {
namespace {

std::optional<Verdict> Of(int64_t run, int64_t cpu, int64_t wait, int64_t hold) {
  Usage usage;
  usage.run_ns = run;
  usage.cpu_ns = cpu;
  return VerdictOf(usage, LockUsage{.wait_ns = wait, .hold_ns = hold});
}

TEST(VerdictTest, EachKindNeedsMoreThanHalf) {
  EXPECT_EQ(Of(1000, 990, 0, 990)->kind, Verdict::Kind::kLockBound);
  EXPECT_EQ(Of(1000, 950, 0, 100)->kind, Verdict::Kind::kNative);
  EXPECT_EQ(Of(1000, 20, 0, 20)->kind, Verdict::Kind::kIoBound);
  EXPECT_EQ(Of(1000, 700, 0, 400)->kind, Verdict::Kind::kMixed);
}

TEST(VerdictTest, WaitingForTheLockIsNotTheTasksOwn) {
  // One of eight spinners, and a sleeper beside them.
  EXPECT_EQ(Of(8000, 1000, 7000, 1000)->kind, Verdict::Kind::kLockBound);
  const std::optional<Verdict> sleeper = Of(8000, 10, 3000, 10);
  EXPECT_EQ(sleeper->kind, Verdict::Kind::kIoBound);
  EXPECT_NEAR(sleeper->waiting, 0.998, 0.001);
}

TEST(VerdictTest, AnIdleHoldIsAHold) { EXPECT_EQ(Of(1000, 0, 0, 1000)->kind, Verdict::Kind::kLockBound); }

TEST(VerdictTest, SharesSumToOneAlsoOverManyThreads) {
  for (const auto& verdict : {Of(1000, 4000, 3000, 1000), Of(1000, 4000, 0, 500), Of(1000, 0, 5000, 0), Of(1, 0, 0, 0)}) {
    EXPECT_NEAR(verdict->holding + verdict->native + verdict->waiting, 1, 1e-9);
    for (const double share : {verdict->holding, verdict->native, verdict->waiting}) {
      EXPECT_GE(share, 0);
      EXPECT_LE(share, 1);
    }
  }
}

TEST(VerdictTest, WithoutFiguresThereIsNone) {
  EXPECT_FALSE(VerdictOf(Usage(), LockUsage()));
  Usage usage;
  usage.run_ns = 1000;
  usage.cpu_ns = 10;
  EXPECT_FALSE(VerdictOf(usage, std::nullopt));
}

}  // namespace
}  // namespace gild
