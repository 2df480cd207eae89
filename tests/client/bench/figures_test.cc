// Percentiles, the split and the windows, from samples that the test made up.
#include "client/bench/figures.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/status/status.h"
#include "client/bench/clock.h"
#include "client/cpp/durations.h"
#include "client/cpp/server_error.h"
#include "tests/client/fake_server.h"

namespace gild::bench {
namespace {

using testing::ElementsAre;
using testing::Pair;

constexpr int64_t kMs = kNsPerSecond / 1000;

std::vector<int64_t> UpTo(int64_t count) {
  std::vector<int64_t> values;
  for (int64_t i = 1; i <= count; ++i) values.push_back(i);
  return values;
}

TEST(PercentileTest, IsTheNearestRank) {
  EXPECT_EQ(Percentile({7}, 0.5), 7);
  EXPECT_EQ(Percentile({7}, 0.999), 7);
  EXPECT_EQ(Percentile(UpTo(10), 0.5), 5);
  EXPECT_EQ(Percentile(UpTo(10), 0.9), 9);
  EXPECT_EQ(Percentile(UpTo(10), 0.99), 10);
  EXPECT_EQ(Percentile(UpTo(1000), 0.99), 990);
  EXPECT_EQ(Percentile(UpTo(1000), 0.999), 999);
  EXPECT_EQ(Percentile(UpTo(1001), 0.999), 1000);
  EXPECT_EQ(Percentile(UpTo(1000), 1), 1000);
}

TEST(LatencyTest, OfEverySampleInAnyOrder) {
  std::deque<Sample> samples;
  for (int64_t i = 1000; i >= 1; --i) samples.push_back({0, i});
  const Latency latency = LatencyOf(samples);
  EXPECT_EQ(latency.mean_ns, 500.5);
  EXPECT_EQ(latency.p50_ns, 500);
  EXPECT_EQ(latency.p90_ns, 900);
  EXPECT_EQ(latency.p99_ns, 990);
  EXPECT_EQ(latency.p999_ns, 999);
  EXPECT_EQ(latency.max_ns, 1000);
  EXPECT_EQ(LatencyOf({}).max_ns, 0);
}

// `tasks` outcomes, evenly over the window (of 1 s), each of so much latency.
void Fill(int window, int64_t tasks, int64_t latency_ns, std::deque<Sample>* samples) {
  for (int64_t i = 0; i < tasks; ++i) {
    samples->push_back({window * kNsPerSecond + i * kNsPerSecond / tasks, latency_ns});
  }
}

TEST(SteadinessTest, EqualWindowsAreStable) {
  std::deque<Sample> samples;
  for (const int window : {0, 1, 2}) Fill(window, 2000, 5 * kMs, &samples);
  const auto steadiness = SteadinessOf(samples, 3 * kNsPerSecond);
  ASSERT_TRUE(steadiness.has_value());
  EXPECT_THAT(steadiness->tasks, ElementsAre(2000, 2000, 2000));
  EXPECT_EQ(steadiness->rate_spread, 0);
  EXPECT_EQ(steadiness->p99_spread, 0);
  EXPECT_TRUE(steadiness->stable());
}

TEST(SteadinessTest, ARateThatFallsOrAP99ThatGrowsIsNot) {
  std::deque<Sample> samples;
  for (const int window : {0, 1, 2}) Fill(window, 2200 - 200 * window, 5 * kMs, &samples);
  auto steadiness = SteadinessOf(samples, 3 * kNsPerSecond);
  EXPECT_DOUBLE_EQ(steadiness->rate_spread, 0.2);
  EXPECT_FALSE(steadiness->stable());
  samples.clear();
  for (const int window : {0, 1, 2}) Fill(window, 2000, (4 + window) * kMs, &samples);
  steadiness = SteadinessOf(samples, 3 * kNsPerSecond);
  EXPECT_DOUBLE_EQ(steadiness->p99_spread, 0.4);
  EXPECT_FALSE(steadiness->stable());
}

TEST(SteadinessTest, TooFewTasksSayNothing) {
  std::deque<Sample> samples;
  Fill(0, 1000, kMs, &samples);
  Fill(1, 1000, kMs, &samples);
  Fill(2, 999, kMs, &samples);
  Fill(3, 1000, kMs, &samples);  // came after the sending had stopped
  EXPECT_FALSE(SteadinessOf(samples, 3 * kNsPerSecond).has_value());
}

v1::Outcome Ended(v1::Ending ending) {
  v1::Outcome outcome;
  outcome.set_task_id("t");
  outcome.set_ending(ending);
  outcome.set_lane(v1::CPU_LANE);
  v1::Usage* usage = outcome.mutable_usage();
  *usage->mutable_queue() = ToProto(absl::Milliseconds(2));
  *usage->mutable_dispatch() = ToProto(absl::Milliseconds(1));
  *usage->mutable_run() = ToProto(absl::Milliseconds(10));
  *outcome.mutable_lock()->mutable_wait() = ToProto(absl::Milliseconds(3));
  *outcome.mutable_lock()->mutable_hold() = ToProto(absl::Milliseconds(4));
  return outcome;
}

absl::Status Count(Tally* tally, const v1::Outcome& outcome, int64_t now_ns) {
  return tally->Count(&outcome, /*planned_ns=*/0, now_ns);
}

TEST(SummariseTest, ThePartsAddUpToTheMean) {
  Tally tally;
  EXPECT_TRUE(Count(&tally, Ended(v1::SUCCEEDED), 20 * kMs).ok());
  EXPECT_TRUE(Count(&tally, Ended(v1::SUCCEEDED), 30 * kMs).ok());
  Figures figures;
  figures.length_ns = 20 * kMs;
  figures.sent = 2;
  Summarise(tally, /*lag_sum_ns=*/2 * kMs, &figures);
  EXPECT_EQ(figures.rate, 50) << "the second came after the sending had stopped";
  EXPECT_EQ(figures.latency.mean_ns, 25 * kMs);
  const Split& split = figures.split;
  EXPECT_EQ(split.client_lag_ns, 1 * kMs);
  EXPECT_EQ(split.queue_ns, 2 * kMs);
  EXPECT_EQ(split.dispatch_ns, 1 * kMs);
  EXPECT_EQ(split.wait_ns, 3 * kMs);
  EXPECT_EQ(split.hold_ns, 4 * kMs);
  EXPECT_EQ(split.off_lock_ns, 3 * kMs);
  EXPECT_EQ(split.network_ns, (25 - 1 - 2 - 1 - 10) * kMs);
}

TEST(SummariseTest, WithoutAMeterTheRunIsNotSplit) {
  v1::Outcome unseen = Ended(v1::SUCCEEDED);
  unseen.clear_lock();
  Tally tally;
  EXPECT_TRUE(Count(&tally, unseen, 20 * kMs).ok());
  Figures figures;
  figures.length_ns = 20 * kMs;
  figures.sent = 1;
  Summarise(tally, 0, &figures);
  EXPECT_FALSE(figures.split.wait_ns || figures.split.hold_ns || figures.split.off_lock_ns);
  EXPECT_EQ(figures.split.run_ns, 10 * kMs);
}

TEST(TallyTest, EndingsRefusalsAndFailuresAreKeptApart) {
  const grpc::Status full = FakeServer::Refuse(grpc::StatusCode::RESOURCE_EXHAUSTED, "full", "QUEUE_FULL", 1);
  Tally one, two;
  EXPECT_TRUE(Count(&one, Ended(v1::SUCCEEDED), kMs).ok());
  EXPECT_TRUE(Count(&one, Ended(v1::RAISED), kMs).ok());
  EXPECT_TRUE(one.Count(ToAbsl(full), 0, kMs).ok()) << "a refusal is no failure";
  EXPECT_TRUE(two.Count(ToAbsl(full), 0, kMs).ok());
  EXPECT_TRUE(Count(&two, Ended(v1::TIMED_OUT), kMs).ok());
  EXPECT_EQ(two.Count(absl::UnavailableError("Socket closed"), 0, kMs).code(), absl::StatusCode::kUnavailable);
  one.Add(two);
  EXPECT_THAT(one.endings, ElementsAre(Pair(v1::SUCCEEDED, 1), Pair(v1::RAISED, 1), Pair(v1::TIMED_OUT, 1)));
  EXPECT_THAT(one.refused, ElementsAre(Pair("QUEUE_FULL", 2)));
  EXPECT_EQ(one.unanswered, 1u);
  EXPECT_EQ(one.samples.size(), 3u);
  EXPECT_EQ(one.first_other->ending(), v1::RAISED);
}

TEST(TallyTest, ReasonsAreBounded) {
  Tally tally;
  for (int i = 0; i < 100; ++i) {
    const grpc::Status status =
        FakeServer::Refuse(grpc::StatusCode::RESOURCE_EXHAUSTED, "full", absl::StrCat("REASON_", i), 1);
    EXPECT_TRUE(tally.Count(ToAbsl(status), 0, kMs).ok());
  }
  EXPECT_LE(tally.refused.size(), Tally::kReasonsMax + 1);
  EXPECT_EQ(tally.refused["other"], 100 - Tally::kReasonsMax);
}

TEST(ClientCpuTest, TheBusiestThreadIsTheOneThatUsedMost) {
  const ClientCpu cpu = CpuBetween({{1, 100}, {2, 50}, {3, 7}}, {{1, 150}, {2, 350}, {4, 20}});
  EXPECT_EQ(cpu.all_ns, 50 + 300 + 20);
  EXPECT_EQ(cpu.busiest_ns, 300);
}

}  // namespace
}  // namespace gild::bench
