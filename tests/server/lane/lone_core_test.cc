#include "server/lane/lone_core.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "server/base/clock.h"
#include "server/base/cores.h"

namespace gild {
namespace {

// A thread that hands tasks over and hears of their ends, on a clock of its own.
class LoneCoreTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (cores_.size() < 2) GTEST_SKIP() << "one core alone";
  }

  // What was bound in it ends with the thread.
  template <typename Body>
  static void OnThread(Body body) {
    std::thread(body).join();
  }

  void HandOver(int core) { lone_core_.HandsOver(core, now_ns_ += kNsPerMs); }
  void HearOf(int64_t tasks) { lone_core_.HearsOf(tasks, now_ns_ += kNsPerMs); }
  void RunAlone(int core, int tasks) {
    for (int i = 0; i < tasks; ++i) {
      HandOver(core);
      HearOf(1);
    }
  }

  const std::vector<int> cores_ = AllowedCores();
  const int core_ = cores_.back();
  const std::vector<int> kept_ = {core_};
  int64_t now_ns_ = 1000 * kNsPerSecond;
  LoneCore lone_core_;
};

TEST_F(LoneCoreTest, KeepsToTheCoreOfTasksThatComeOneAtATime) {
  OnThread([&] {
    RunAlone(core_, LoneCore::kTasks - 1);
    EXPECT_EQ(AllowedCores(), cores_);
    RunAlone(core_, 1);
    EXPECT_EQ(AllowedCores(), kept_);
    RunAlone(core_, 100);
    EXPECT_EQ(AllowedCores(), kept_);
  });
}

TEST_F(LoneCoreTest, EachThreadAsItPasses) {
  OnThread([&] { RunAlone(core_, LoneCore::kTasks); });
  OnThread([&] {
    EXPECT_EQ(AllowedCores(), cores_);
    HearOf(0);
    EXPECT_EQ(AllowedCores(), kept_);
  });
}

TEST_F(LoneCoreTest, ASecondTaskInFlightFreesThem) {
  OnThread([&] {
    RunAlone(core_, LoneCore::kTasks);
    HandOver(core_);
    HandOver(core_);
    EXPECT_EQ(AllowedCores(), cores_);
    HearOf(1);
    EXPECT_EQ(AllowedCores(), cores_);
    // As long as there is always one more, whatever ends.
    for (int i = 0; i < 2 * LoneCore::kTasks; ++i) {
      HandOver(core_);
      HearOf(1);
    }
    EXPECT_EQ(AllowedCores(), cores_);
    HearOf(1);
    RunAlone(core_, LoneCore::kTasks);
    EXPECT_EQ(AllowedCores(), kept_);
  });
}

TEST_F(LoneCoreTest, ATaskElsewhereFreesThem) {
  OnThread([&] {
    RunAlone(core_, LoneCore::kTasks);
    RunAlone(cores_.front(), 1);
    EXPECT_EQ(AllowedCores(), cores_);
    RunAlone(cores_.front(), LoneCore::kTasks);
    EXPECT_EQ(AllowedCores(), std::vector<int>{cores_.front()});
    // Those of an interpreter that is not pinned are nowhere.
    RunAlone(-1, 2 * LoneCore::kTasks);
    EXPECT_EQ(AllowedCores(), cores_);
  });
}

TEST_F(LoneCoreTest, AWhileWithoutATaskFreesThem) {
  OnThread([&] {
    RunAlone(core_, LoneCore::kTasks);
    now_ns_ += LoneCore::kApartNs;
    HearOf(0);
    EXPECT_EQ(AllowedCores(), cores_);
    RunAlone(core_, LoneCore::kTasks - 1);
    EXPECT_EQ(AllowedCores(), cores_) << "it begins anew";
  });
}

TEST_F(LoneCoreTest, ATaskThatTakesLongFreesThem) {
  OnThread([&] {
    RunAlone(core_, LoneCore::kTasks);
    HandOver(core_);
    EXPECT_EQ(AllowedCores(), kept_);
    now_ns_ += LoneCore::kApartNs;
    HearOf(0);  // as an inspection of the lanes does
    EXPECT_EQ(AllowedCores(), cores_);
  });
}

}  // namespace
}  // namespace gild
