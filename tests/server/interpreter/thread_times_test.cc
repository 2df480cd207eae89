#include "server/interpreter/thread_times.h"

#include "gtest/gtest.h"

namespace gild {
namespace {

// The kernel's figures, and how often each was asked for.
int64_t cpu_ns;
int64_t cpu_wait_ns;
int cpu_reads;
int cpu_wait_reads;

class ThreadTimesTest : public testing::Test {
 protected:
  ThreadTimesTest() {
    cpu_ns = 1000;
    cpu_wait_ns = 70;
    cpu_reads = cpu_wait_reads = 0;
  }

  void Run(int64_t ns) {
    now_ns_ += ns;
    cpu_ns += ns;
  }
  void Wait(int64_t ns) {
    now_ns_ += ns;
    cpu_wait_ns += ns;
  }
  void Sleep(int64_t ns) { now_ns_ += ns; }

  int64_t now_ns_ = kNsPerSecond;
  ThreadTimes times_{{.cpu_ns = [] { return ++cpu_reads, cpu_ns; },
                      .cpu_wait_ns = [] { return ++cpu_wait_reads, std::optional<int64_t>(cpu_wait_ns); }}};
};

TEST_F(ThreadTimesTest, ATaskHasWhatItRanAndWaited) {
  const auto before = times_.Begin(now_ns_);
  Run(30'000);
  Wait(9'000);
  Sleep(50'000);
  Run(1'000);
  const auto after = times_.End(now_ns_, /*look=*/false);
  EXPECT_EQ(after.cpu_ns - before.cpu_ns, 31'000);
  EXPECT_EQ(*after.cpu_wait_ns - *before.cpu_wait_ns, 9'000);
}

TEST_F(ThreadTimesTest, SmallOnesThatFollowAtOnceAreReckoned) {
  times_.Begin(now_ns_);
  cpu_reads = cpu_wait_reads = 0;
  for (int i = 0; i < 2; ++i) {
    Run(2'000);  // between the two
    const auto before = times_.Begin(now_ns_);
    EXPECT_EQ(before.cpu_ns, cpu_ns);
    Run(5'000);
    const auto after = times_.End(now_ns_, /*look=*/false);
    EXPECT_EQ(after.cpu_ns - before.cpu_ns, 5'000);
    EXPECT_EQ(*after.cpu_wait_ns - *before.cpu_wait_ns, 0);
  }
  EXPECT_EQ(cpu_reads, 0);
  EXPECT_EQ(cpu_wait_reads, 0);
}

TEST_F(ThreadTimesTest, WhatIsReckonedWrongIsNoMoreThanAMomentAndIsNotKept) {
  const auto before = times_.Begin(now_ns_);
  Sleep(ThreadTimes::kSameMomentNs - 1);
  const auto after = times_.End(now_ns_, /*look=*/false);
  EXPECT_EQ(after.cpu_ns - before.cpu_ns, ThreadTimes::kSameMomentNs - 1);
  Run(1);
  const auto next = times_.Begin(now_ns_);
  EXPECT_EQ(next.cpu_ns - before.cpu_ns, 1);
}

TEST_F(ThreadTimesTest, WaitsTooShortToBeLookedForAreFoundTogether) {
  times_.Begin(now_ns_);
  int64_t found_ns = 0;
  for (int i = 0; i < 10; ++i) {
    const auto before = times_.Begin(now_ns_);
    Run(5'000);
    Wait(1'000);
    const auto after = times_.End(now_ns_, /*look=*/false);
    found_ns += *after.cpu_wait_ns - *before.cpu_wait_ns;
    EXPECT_LT(i * 1'000 + 1'000 - found_ns, ThreadTimes::kUnseenNs + 4 * 1'000) << "those of a moment as well";
  }
  EXPECT_GE(found_ns, 5'000);
}

TEST_F(ThreadTimesTest, AfterARestItIsAskedAnew) {
  times_.Begin(now_ns_);
  times_.End(now_ns_, /*look=*/false);
  Sleep(kNsPerMs);
  Wait(40'000);  // for the core, once a task had come: before it began
  cpu_reads = 0;
  const auto before = times_.Begin(now_ns_);
  EXPECT_EQ(cpu_reads, 1);
  Run(5'000);
  const auto after = times_.End(now_ns_, /*look=*/false);
  EXPECT_EQ(after.cpu_ns - before.cpu_ns, 5'000);
  EXPECT_EQ(*after.cpu_wait_ns - *before.cpu_wait_ns, 0);
}

TEST_F(ThreadTimesTest, WhoseProcessorTimeIsNotTheThreadsLooksAlways) {
  const auto before = times_.Begin(now_ns_);
  Wait(30'000);
  cpu_ns += 60'000;  // other threads'
  const auto after = times_.End(now_ns_, /*look=*/true);
  EXPECT_EQ(*after.cpu_wait_ns - *before.cpu_wait_ns, 30'000);
}

TEST(ThreadTimesUnavailableTest, WhatTheKernelDoesNotSayIsUnavailable) {
  ThreadTimes times(
      {.cpu_ns = [] { return int64_t{5}; }, .cpu_wait_ns = []() -> std::optional<int64_t> { return {}; }});
  EXPECT_FALSE(times.Begin(kNsPerSecond).cpu_wait_ns);
  EXPECT_FALSE(times.End(2 * kNsPerSecond, /*look=*/true).cpu_wait_ns);
}

}  // namespace
}  // namespace gild
