#include "server/ipc/blocking_channel.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <string>
#include <thread>

#include "server/base/clock.h"
#include "server/ipc/channel.h"

namespace gild {
namespace {

// A server that sends a frame, and a child's thread that receives it.
class BlockingChannelTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ChannelEnds ends = MakeChannelEnds().value();
    server_ = std::make_unique<BlockingChannel>(std::move(ends.server));
    child_ = std::make_unique<BlockingChannel>(std::move(ends.child));
  }

  void Send() {
    internal::ToInterpreter frame;
    frame.mutable_stop()->set_serial(++sent_);
    ASSERT_TRUE(server_->Send(frame).ok());
  }

  struct Receiving {
    int64_t wait_ns;
    int64_t cpu_ns;
    int64_t sleeps;
  };
  Receiving Receive(int64_t awake_ns) {
    const auto sleeps = [] {
      rusage usage;
      getrusage(RUSAGE_THREAD, &usage);
      return usage.ru_nvcsw;
    };
    const auto cpu_ns = [] {
      timespec time;
      clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
      return time.tv_sec * kNsPerSecond + time.tv_nsec;
    };
    const Receiving before = {NowNs(), cpu_ns(), sleeps()};
    internal::ToInterpreter frame;
    EXPECT_TRUE(child_->Receive(&frame, awake_ns).value_or(false));
    EXPECT_EQ(frame.stop().serial(), ++received_);
    return {NowNs() - before.wait_ns, cpu_ns() - before.cpu_ns, sleeps() - before.sleeps};
  }

  // Sends from another thread when this one has gone to sleep, and that for so long.
  Receiving ReceiveAsleep(int64_t awake_ns, int64_t asleep_ns = 0) {
    std::thread sender([this, asleep_ns, receiver = gettid()] {
      const std::string stat = "/proc/self/task/" + std::to_string(receiver) + "/stat";
      std::string state;
      for (std::string pid, name; state != "S";) std::ifstream(stat) >> pid >> name >> state;
      for (const int64_t until_ns = NowNs() + asleep_ns; NowNs() < until_ns;) std::this_thread::yield();
      Send();
    });
    const Receiving receiving = Receive(awake_ns);
    sender.join();
    return receiving;
  }

  std::unique_ptr<BlockingChannel> server_, child_;
  uint64_t sent_ = 0, received_ = 0;
};

constexpr int64_t kAwakeNs = 20 * kNsPerMs;

TEST_F(BlockingChannelTest, StaysAwakeWhereTheLastFrameCameInTime) {
  Send();
  Receive(kAwakeNs);
  const Receiving next = ReceiveAsleep(kAwakeNs);
  EXPECT_GE(next.wait_ns, kAwakeNs);
}

TEST_F(BlockingChannelTest, SleepsAtOnceWhereTheLastFrameCameTooLate) {
  ASSERT_GE(ReceiveAsleep(0, kAwakeNs).wait_ns, kAwakeNs);
  const Receiving next = ReceiveAsleep(kAwakeNs);
  EXPECT_GE(next.sleeps, 1);
  EXPECT_LT(next.cpu_ns, kAwakeNs / 2) << "it looked for the next frame all the time";
}

TEST_F(BlockingChannelTest, StaysAwakeAgainWhenFramesComeInTime) {
  ReceiveAsleep(0, kAwakeNs);
  Send();
  Receive(kAwakeNs);  // is there already
  EXPECT_GE(ReceiveAsleep(kAwakeNs).wait_ns, kAwakeNs);
}

}  // namespace
}  // namespace gild
