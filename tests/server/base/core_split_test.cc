#include "server/base/core_split.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "server/base/clock.h"
#include "tests/server/seed.h"

namespace gild {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr int64_t kTickNs = 10 * kNsPerMs;

int64_t Sum(const CoreSplit& split) {
  return split.io_ns + split.cpu_ns + split.server_ns + split.other_ns + split.idle_ns + split.steal_ns;
}

// One machine's counters, moved on and read in milliseconds.
class CoreSplitterTest : public ::testing::Test {
 protected:
  struct Used {
    int64_t io = 0, cpu = 0, server = 0, idle = 0, steal = 0;
  };

  void Use(int core, const Used& used) {
    OwnTime& own = reading_.own[core];
    own.io_ns += used.io * kNsPerMs;
    own.cpu_ns += used.cpu * kNsPerMs;
    own.server_ns += used.server * kNsPerMs;
    CoreTimes& times = TimesOf(core);
    times.idle_ns += used.idle * kNsPerMs;
    times.steal_ns += used.steal * kNsPerMs;
  }
  CoreTimes& TimesOf(int core) {
    for (CoreTimes& times : reading_.cores) {
      if (times.core == core) return times;
    }
    return reading_.cores.emplace_back(CoreTimes{.core = core});
  }
  void Read(int64_t after_ms) {
    reading_.now_ns += after_ms * kNsPerMs;
    splitter_.Add(reading_);
  }
  static void ExpectSplit(const CoreSplit& split, const Used& used, int64_t other) {
    EXPECT_EQ(split.io_ns / kNsPerMs, used.io);
    EXPECT_EQ(split.cpu_ns / kNsPerMs, used.cpu);
    EXPECT_EQ(split.server_ns / kNsPerMs, used.server);
    EXPECT_EQ(split.idle_ns / kNsPerMs, used.idle);
    EXPECT_EQ(split.steal_ns / kNsPerMs, used.steal);
    EXPECT_EQ(split.other_ns / kNsPerMs, other);
  }

  CoreSplitter::Reading reading_{.now_ns = 1234, .cores = {{.core = 0}, {.core = 1}}};
  CoreSplitter splitter_{{0, 1}};
};

TEST_F(CoreSplitterTest, NothingIsKnownOfACoreThatWasNeverRead) {
  EXPECT_THAT(splitter_.cores(), IsEmpty());
  EXPECT_EQ(splitter_.idle_ns(), 0);
}

TEST_F(CoreSplitterTest, CountingBeginsWithTheFirstReading) {
  Use(0, {.io = 500, .idle = 700});
  Read(1000);
  ASSERT_THAT(splitter_.cores(), SizeIs(2));
  ExpectSplit(splitter_.cores()[0], {}, 0);
}

TEST_F(CoreSplitterTest, WhatNobodyAccountsForIsOther) {
  Read(0);
  Use(0, {.io = 10, .cpu = 20, .server = 5, .idle = 30, .steal = 10});
  Use(1, {.idle = 100});
  Read(100);
  ExpectSplit(splitter_.cores()[0], {.io = 10, .cpu = 20, .server = 5, .idle = 30, .steal = 10}, 25);
  ExpectSplit(splitter_.cores()[1], {.idle = 100}, 0);
  EXPECT_EQ(splitter_.idle_ns(), 130 * kNsPerMs);
}

TEST_F(CoreSplitterTest, ATickThatComesTooEarlyIsOwedToTheNextReading) {
  Read(0);
  Use(0, {.io = 95, .idle = 10});
  Read(100);
  ExpectSplit(splitter_.cores()[0], {.io = 95, .idle = 5}, 0);
  Use(0, {.io = 50});
  Read(60);
  ExpectSplit(splitter_.cores()[0], {.io = 145, .idle = 10}, 5);
}

TEST_F(CoreSplitterTest, SourcesThatDisagreeAreNotOwedForEver) {
  Read(0);
  for (int i = 0; i < 100; ++i) {
    Use(0, {.io = 100, .idle = 10});
    Read(100);
  }
  ExpectSplit(splitter_.cores()[0], {.io = 10'000}, 0);
  Read(1000);
  // Two ticks of it, no more.
  ExpectSplit(splitter_.cores()[0], {.io = 10'000, .idle = 20}, 980);
}

TEST_F(CoreSplitterTest, WhatOursUsedAheadOfTheClockIsMadeUpForLater) {
  Read(0);
  Use(0, {.io = 104});
  Read(100);
  ExpectSplit(splitter_.cores()[0], {.io = 104}, 0);
  Use(0, {.io = 50});
  Read(100);
  ExpectSplit(splitter_.cores()[0], {.io = 154}, 46);
}

TEST_F(CoreSplitterTest, ACounterThatGoesBackCountsAsOneThatStoodStill) {
  Read(0);
  Use(0, {.io = 50, .idle = 50});
  Read(100);
  reading_.own[0].io_ns = 0;
  TimesOf(0).idle_ns = 0;
  Read(100);
  ExpectSplit(splitter_.cores()[0], {.io = 50, .idle = 50}, 100);
  Use(0, {.io = 60, .idle = 40});
  Read(100);
  ExpectSplit(splitter_.cores()[0], {.io = 110, .idle = 90}, 100);
}

TEST_F(CoreSplitterTest, AClockReadEarlierThanTheLastChangesNothing) {
  Read(0);
  Use(0, {.idle = 100});
  Read(100);
  Read(-50);
  Use(0, {.idle = 50});
  Read(100);
  ExpectSplit(splitter_.cores()[0], {.idle = 150}, 0);
}

TEST_F(CoreSplitterTest, AnOfflineCoreStandsStillAndItsAbsenceIsNobodys) {
  Read(0);
  Use(0, {.idle = 100});
  Use(1, {.idle = 100});
  Read(100);
  const CoreTimes offline = reading_.cores.back();
  reading_.cores.pop_back();
  Use(0, {.idle = 1000});
  Read(1000);
  reading_.cores.push_back(offline);
  Use(0, {.idle = 100});
  Read(100);
  ExpectSplit(splitter_.cores()[1], {.idle = 100}, 0);
  Use(1, {.cpu = 40, .idle = 60});
  Read(100);
  ExpectSplit(splitter_.cores()[1], {.cpu = 40, .idle = 160}, 0);
}

TEST_F(CoreSplitterTest, WhatIsKnownButNotWhereIsSpreadOverWhatCoresWereBusyWith) {
  Read(0);
  Use(0, {.cpu = 40, .idle = 30});  // 30 unexplained
  Use(1, {.idle = 10});             // 90
  reading_.anywhere = {.io_ns = 60 * kNsPerMs, .server_ns = 20 * kNsPerMs};
  Read(100);
  ExpectSplit(splitter_.cores()[0], {.io = 15, .cpu = 40, .server = 5, .idle = 30}, 10);
  ExpectSplit(splitter_.cores()[1], {.io = 45, .server = 15, .idle = 10}, 30);
}

TEST_F(CoreSplitterTest, WhereEveryCoreSeemsIdleItIsSpreadEvenly) {
  Read(0);
  Use(0, {.idle = 100});
  Use(1, {.idle = 100});
  reading_.anywhere = {.server_ns = 8 * kNsPerMs};
  Read(100);
  ExpectSplit(splitter_.cores()[0], {.server = 4, .idle = 96}, 0);
  ExpectSplit(splitter_.cores()[1], {.server = 4, .idle = 96}, 0);
}

TEST_F(CoreSplitterTest, AfterARestartTheNextReadingIsABeginning) {
  Read(0);
  Use(0, {.io = 60, .idle = 40});
  Read(100);
  splitter_.Restart();
  reading_.own.clear();
  reading_.anywhere = {.io_ns = 5'000 * kNsPerMs};
  Read(100);
  ExpectSplit(splitter_.cores()[0], {.io = 60, .idle = 40}, 0);
  reading_.anywhere.io_ns += 30 * kNsPerMs;
  TimesOf(1).idle_ns += 100 * kNsPerMs;
  Read(100);
  ExpectSplit(splitter_.cores()[0], {.io = 90, .idle = 40}, 70);
}

// True times of nanoseconds, idle and steal told in ticks: whatever happens, the six add up, none goes back, and each
// is right to two ticks.
TEST_F(CoreSplitterTest, HoweverLongTheTimeTheSumIsRightAndTheErrorBounded) {
  std::mt19937_64 random(gild::testing::Seed());
  const auto below = [&random](int64_t most) { return std::uniform_int_distribution<int64_t>(0, most)(random); };
  CoreSplit truth;
  CoreSplit told;
  Read(0);
  const int64_t begin_ns = reading_.now_ns;
  for (int i = 0; i < 20'000; ++i) {
    int64_t left_ns = below(200 * kNsPerMs);
    reading_.now_ns += left_ns;
    // Nothing but one kind as often as a mixture.
    for (int64_t* part : {&truth.io_ns, &truth.cpu_ns, &truth.server_ns, &truth.idle_ns, &truth.steal_ns}) {
      const int64_t ns = below(2) == 0 ? left_ns : below(left_ns);
      *part += ns;
      left_ns -= ns;
    }
    truth.other_ns += left_ns;
    reading_.own[0] = {.io_ns = truth.io_ns, .cpu_ns = truth.cpu_ns, .server_ns = truth.server_ns};
    TimesOf(0).idle_ns = truth.idle_ns / kTickNs * kTickNs;
    TimesOf(0).steal_ns = truth.steal_ns / kTickNs * kTickNs;
    splitter_.Add(reading_);

    const CoreSplit now = splitter_.cores()[0];
    ASSERT_EQ(Sum(now), reading_.now_ns - begin_ns);
    ASSERT_EQ(now.io_ns, truth.io_ns);
    ASSERT_EQ(now.cpu_ns, truth.cpu_ns);
    ASSERT_EQ(now.server_ns, truth.server_ns);
    ASSERT_GE(now.other_ns, told.other_ns);
    ASSERT_GE(now.idle_ns, told.idle_ns);
    ASSERT_GE(now.steal_ns, told.steal_ns);
    ASSERT_NEAR(now.other_ns, truth.other_ns, 2 * kTickNs);
    ASSERT_NEAR(now.idle_ns, truth.idle_ns, 2 * kTickNs);
    ASSERT_NEAR(now.steal_ns, truth.steal_ns, 2 * kTickNs);
    told = now;
  }
}

TEST(LostParallelismTest, IsTheSmallerOfIdleAndWaiting) {
  EXPECT_EQ(LostParallelismNs(/*idle_ns=*/30, /*waiting=*/5, /*interval_ns=*/100), 30);
  EXPECT_EQ(LostParallelismNs(180, 1, 100), 100);
  EXPECT_EQ(LostParallelismNs(180, 0, 100), 0);
}

}  // namespace
}  // namespace gild
