// When tasks are due, and how late they were: all moments are the test's own.
#include "client/bench/plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace gild::bench {
namespace {

using testing::ElementsAre;

constexpr int64_t kMs = kNsPerSecond / 1000;

std::vector<int64_t> Take(Schedule schedule, int count) {
  std::vector<int64_t> moments;
  for (int i = 0; i < count; ++i) moments.push_back(schedule.Next());
  return moments;
}

TEST(ScheduleTest, EvenSpacingIsTheRateAndDoesNotDrift) {
  EXPECT_THAT(Take(Schedule(1000, Spacing::kEven, 1), 4), ElementsAre(0, 1 * kMs, 2 * kMs, 3 * kMs));
  EXPECT_EQ(Take(Schedule(3, Spacing::kEven, 1), 300'001).back(), 100'000 * kNsPerSecond);
}

TEST(ScheduleTest, TheSameSeedGivesTheSameMoments) {
  const auto moments = Take(Schedule(400, Spacing::kPoisson, 7), 1000);
  EXPECT_EQ(moments, Take(Schedule(400, Spacing::kPoisson, 7), 1000));
  EXPECT_NE(moments, Take(Schedule(400, Spacing::kPoisson, 8), 1000));
}

TEST(ScheduleTest, PoissonGapsAreExponential) {
  const int count = 100'000;
  const auto moments = Take(Schedule(1000, Spacing::kPoisson, 7), count);
  int64_t before = 0;
  double sum = 0, squares = 0;
  int longer_than_mean = 0;
  for (const int64_t moment : moments) {
    const double gap_ms = static_cast<double>(moment - before) / kMs;
    ASSERT_GE(gap_ms, 0);
    before = moment;
    sum += gap_ms;
    squares += gap_ms * gap_ms;
    longer_than_mean += gap_ms > 1 ? 1 : 0;
  }
  const double mean = sum / count;
  EXPECT_NEAR(mean, 1, 0.02);
  EXPECT_NEAR(std::sqrt(squares / count - mean * mean), 1, 0.03) << "as large as the mean";
  EXPECT_NEAR(longer_than_mean / static_cast<double>(count), std::exp(-1), 0.01);
}

Plan EveryMs(int64_t length_ns, uint64_t tasks_max) {
  return Plan(Schedule(1000, Spacing::kEven, 1), length_ns, tasks_max);
}

TEST(PlanTest, EndsAtItsLengthOrItsNumberOfTasks) {
  for (Plan plan : {EveryMs(3 * kMs, 100), EveryMs(100 * kMs, 3)}) {
    std::vector<int64_t> taken;
    while (plan.next()) taken.push_back(plan.Take());
    EXPECT_THAT(taken, ElementsAre(0, 1 * kMs, 2 * kMs));
    EXPECT_EQ(plan.planned(), 3u);
  }
}

TEST(PlanTest, ASendIsLateByMoreThanAMillisecond) {
  Plan plan = EveryMs(100 * kMs, 100);
  plan.Sent({plan.Take()}, 0);
  plan.Sent({plan.Take()}, 1 * kMs + kLateNs);
  EXPECT_EQ(plan.late(), 0u);
  plan.Sent({plan.Take()}, 2 * kMs + kLateNs + 1);
  EXPECT_EQ(plan.late(), 1u);
  EXPECT_EQ(plan.late_max_ns(), kLateNs + 1);
  EXPECT_EQ(plan.lag_sum_ns(), 2 * kLateNs + 1);
}

TEST(PlanTest, ABatchIsAsLateAsItsLastTaskButAllOfItLags) {
  Plan plan = EveryMs(100 * kMs, 100);
  std::vector<int64_t> batch;
  for (int i = 0; i < 4; ++i) batch.push_back(plan.Take());
  plan.Sent(batch, 3 * kMs);
  EXPECT_EQ(plan.late(), 0u) << "it was sent when it was full";
  EXPECT_EQ(plan.lag_sum_ns(), (3 + 2 + 1 + 0) * kMs);
  batch.clear();
  for (int i = 0; i < 4; ++i) batch.push_back(plan.Take());
  plan.Sent(batch, 9 * kMs);
  EXPECT_EQ(plan.late(), 4u);
  EXPECT_EQ(plan.late_max_ns(), 2 * kMs);
}

TEST(PlanTest, WhatCouldNotBeSentIsUnsent) {
  Plan plan = EveryMs(10 * kMs, 100);
  plan.Sent({plan.Take()}, 0);
  plan.Take();  // no room for it, until the end
  plan.Close(10 * kMs);
  EXPECT_EQ(plan.planned(), 10u);
  EXPECT_EQ(plan.sent(), 1u);
  EXPECT_EQ(plan.unsent(), 9u);
}

TEST(PlanTest, MomentsAfterAStopAreNotPlanned) {
  Plan plan = EveryMs(10 * kMs, 100);
  plan.Sent({plan.Take()}, 0);
  plan.Close(4 * kMs);
  EXPECT_EQ(plan.planned(), 5u) << "0 to 4 ms";
  EXPECT_EQ(plan.unsent(), 4u);
}

}  // namespace
}  // namespace gild::bench
