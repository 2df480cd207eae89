#include "server/base/poller.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <thread>
#include <vector>

#include "server/base/clock.h"

namespace gild {
namespace {

using ::testing::ElementsAre;

// Timers of the past are due at once, so no test waits; each ends with a Stop of its own.
class PollerTest : public testing::Test {
 protected:
  void SetUp() override {
    int ends[2];
    ASSERT_EQ(pipe(ends), 0);
    read_end_.reset(ends[0]);
    write_end_.reset(ends[1]);
  }
  void Write() { ASSERT_EQ(write(write_end_.get(), "x", 1), 1); }
  void Read() {
    char byte;
    ASSERT_EQ(read(read_end_.get(), &byte, 1), 1);
  }

  // Called once in every round in which the loop looks at its descriptors.
  void OnEveryRound(std::function<void(int round)> callback) {
    int ends[2];
    ASSERT_EQ(pipe(ends), 0);
    always_readable_.reset(ends[0]);
    always_readable_write_end_.reset(ends[1]);
    ASSERT_EQ(write(ends[1], "x", 1), 1);
    poller_.Add(ends[0], EPOLLIN, [callback, round = 0](uint32_t) mutable { callback(++round); });
  }

  UniqueFd read_end_, write_end_;
  UniqueFd always_readable_, always_readable_write_end_;
  Poller poller_;
};

TEST_F(PollerTest, TimersRunInTheOrderOfTheirTimes) {
  std::vector<int> ran;
  poller_.RunAt(30, [&] { ran.push_back(30); });
  poller_.RunAt(10, [&] { ran.push_back(10); });
  poller_.RunAt(20, [&] { ran.push_back(20); });
  poller_.RunAt(40, [&] { poller_.Stop(); });
  poller_.Run();
  EXPECT_THAT(ran, ElementsAre(10, 20, 30));
}

TEST_F(PollerTest, TimersOfOneTimeRunInTheOrderOfTheirMaking) {
  std::vector<int> ran;
  for (int i = 0; i < 4; ++i) poller_.RunAt(10, [&ran, i] { ran.push_back(i); });
  poller_.RunAt(11, [&] { poller_.Stop(); });
  poller_.Run();
  EXPECT_THAT(ran, ElementsAre(0, 1, 2, 3));
}

TEST_F(PollerTest, ACancelledTimerDoesNotRun) {
  bool ran = false;
  const auto timer = poller_.RunAt(10, [&] { ran = true; });
  EXPECT_TRUE(poller_.CancelTimer(timer));
  EXPECT_FALSE(poller_.CancelTimer(timer));
  poller_.RunAt(20, [&] { poller_.Stop(); });
  poller_.Run();
  EXPECT_FALSE(ran);
}

TEST_F(PollerTest, ATimerMayCancelTheNextThatIsDueAlready) {
  bool ran = false;
  Poller::TimerId second = 0;
  poller_.RunAt(10, [&] { EXPECT_TRUE(poller_.CancelTimer(second)); });
  second = poller_.RunAt(20, [&] { ran = true; });
  poller_.RunAt(30, [&] { poller_.Stop(); });
  poller_.Run();
  EXPECT_FALSE(ran);
}

TEST_F(PollerTest, APostedCallbackMayCancelATimerThatIsDueAlready) {
  bool ran = false;
  const auto timer = poller_.RunAt(10, [&] { ran = true; });
  poller_.Post([&] { EXPECT_TRUE(poller_.CancelTimer(timer)); });
  poller_.RunAt(20, [&] { poller_.Stop(); });
  poller_.Run();
  EXPECT_FALSE(ran);
}

TEST_F(PollerTest, ARunTimerCannotBeCancelled) {
  const auto timer = poller_.RunAt(10, [] {});
  poller_.RunAt(20, [&] {
    EXPECT_FALSE(poller_.CancelTimer(timer));
    poller_.Stop();
  });
  poller_.Run();
}

TEST_F(PollerTest, ATimerDoesNotRunBeforeItsTime) {
  const int64_t when_ns = NowNs() + 2 * kNsPerMs;
  int64_t ran_ns = 0;
  poller_.RunAt(when_ns, [&] {
    ran_ns = NowNs();
    poller_.Stop();
  });
  poller_.Run();
  EXPECT_GE(ran_ns, when_ns);
}

TEST_F(PollerTest, AnEarlierTimerFromAnotherThreadWakesTheLoop) {
  poller_.RunAt(NowNs() + 3600 * kNsPerSecond, [] {});
  std::thread other([&] { poller_.RunAt(NowNs(), [&] { poller_.Stop(); }); });
  poller_.Run();
  other.join();
}

TEST_F(PollerTest, PostsFromManyThreadsAllRunOnTheLoop) {
  constexpr int kThreads = 4, kPosts = 1000;
  int ran = 0;  // unguarded on purpose: only the loop touches it
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] {
      for (int post = 0; post < kPosts; ++post) {
        poller_.Post([&] {
          if (++ran == kThreads * kPosts) poller_.Stop();
        });
      }
    });
  }
  poller_.Run();
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(ran, kThreads * kPosts);
}

TEST_F(PollerTest, PostsOfOneThreadRunInOrder) {
  std::vector<int> ran;
  for (int i = 0; i < 3; ++i) poller_.Post([&ran, i] { ran.push_back(i); });
  poller_.Post([&] { poller_.Stop(); });
  poller_.Run();
  EXPECT_THAT(ran, ElementsAre(0, 1, 2));
}

TEST_F(PollerTest, AReadableDescriptorIsReported) {
  int reports = 0;
  poller_.Add(read_end_.get(), EPOLLIN, [&](uint32_t events) {
    EXPECT_TRUE(events & EPOLLIN);
    Read();
    if (++reports == 2) return poller_.Stop();
    Write();
  });
  Write();
  poller_.Run();
  EXPECT_EQ(reports, 2);
}

TEST_F(PollerTest, ACallbackMayRemoveItsOwnDescriptor) {
  int reports = 0;
  poller_.Add(read_end_.get(), EPOLLIN, [&](uint32_t) {
    ++reports;
    poller_.Remove(read_end_.get());  // still readable, and never reported again
  });
  OnEveryRound([&](int round) {
    if (round == 3) poller_.Stop();
  });
  Write();
  poller_.Run();
  EXPECT_EQ(reports, 1);
}

TEST_F(PollerTest, ADescriptorRemovedInTheSameRoundIsNotReported) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  UniqueFd other_read(ends[0]), other_write(ends[1]);
  ASSERT_EQ(write(other_write.get(), "x", 1), 1);
  Write();
  int reports = 0;
  // Both are readable; whichever comes first removes the other.
  poller_.Add(read_end_.get(), EPOLLIN, [&](uint32_t) {
    ++reports;
    poller_.Remove(other_read.get());
    poller_.Stop();
  });
  poller_.Add(other_read.get(), EPOLLIN, [&](uint32_t) {
    ++reports;
    poller_.Remove(read_end_.get());
    poller_.Stop();
  });
  poller_.Run();
  EXPECT_EQ(reports, 1);
}

TEST_F(PollerTest, ModifyChangesWhatIsReported) {
  bool modified = false;
  poller_.Add(write_end_.get(), 0, [&](uint32_t events) {
    EXPECT_TRUE(modified);
    EXPECT_TRUE(events & EPOLLOUT);
    poller_.Stop();
  });
  OnEveryRound([&](int round) {
    if (round != 2) return;
    modified = true;
    poller_.Modify(write_end_.get(), EPOLLOUT);
  });
  poller_.Run();
}

TEST_F(PollerTest, StopDropsWhatIsPostedAfterIt) {
  bool ran = false;
  poller_.Post([&] {
    poller_.Stop();
    poller_.Post([&] { ran = true; });
  });
  poller_.Run();
  EXPECT_FALSE(ran);
}

}  // namespace
}  // namespace gild
