// The lock meter is exact: ratios within one run.
#include <algorithm>
#include <thread>

#include "google/protobuf/struct.pb.h"
#include "google/protobuf/util/json_util.h"
#include "tests/testing/server_fixture.h"

namespace gild::testing {
namespace {

// When a task of spins.py began and ended, on the interpreter's monotonic clock.
struct Span {
  double begin_s;
  double end_s;
};

Span SpanOf(const v1::Outcome& outcome) {
  google::protobuf::ListValue times;
  EXPECT_TRUE(google::protobuf::util::JsonStringToMessage(outcome.result().json(), &times).ok())
      << outcome.result().json();
  if (times.values_size() != 2) return {0, 0};
  return {times.values(0).number_value(), times.values(1).number_value()};
}

class MeterTest : public ServerFixture, public ::testing::WithParamInterface<int> {
 protected:
  void StartOneInterpreter() { StartServer({"--io-interpreters", "1", "--cpu-interpreters", "1"}); }
};
INSTANTIATE_TEST_SUITE_P(Tasks, MeterTest, ::testing::Values(1, 2, 4, 8),
                         [](const auto& info) { return std::to_string(info.param); });

TEST_P(MeterTest, SpinningTasksHoldTheLockAllTheTimeBetweenThem) {
  StartOneInterpreter();
  // The lock lies free while the next thread is being woken, and when other programs want the cores too that takes its
  // time: one good round of a few will do. Each task's own books must close in every round.
  double held = 0;
  for (int round = 0; round < 5 && held < 0.97; ++round) {
    double hold_before = Seconds(Slot("io-0").lock().hold());
    std::vector<std::unique_ptr<PendingRun>> runs;
    for (int i = 0; i < GetParam(); ++i) {
      runs.push_back(RunLater(Call(v1::IO, "spins.py", "spin_together", {Json(std::to_string(round)), Json("1.5")})));
    }
    double hold = 0, begin = 1e300, end = 0;
    for (const auto& run : runs) {
      const v1::Outcome& outcome = run->outcome();
      ASSERT_EQ(outcome.ending(), v1::SUCCEEDED) << outcome.DebugString();
      ASSERT_TRUE(outcome.has_lock());
      double task_hold = Seconds(outcome.lock().hold());
      double of_run = (Seconds(outcome.lock().wait()) + task_hold) / Seconds(outcome.usage().run());
      EXPECT_NEAR(of_run, 1.0, 0.02) << outcome.DebugString();
      Span span = SpanOf(outcome);
      begin = std::min(begin, span.begin_s);
      end = std::max(end, span.end_s);
      hold += task_hold;
    }
    held = hold / (end - begin);
    // The tasks also hold it, shortly, before they read the clock first and after they read it last.
    EXPECT_LE(held, 1.01);
    // The interpreter's own sum agrees with its tasks'.
    EXPECT_NEAR((Seconds(Slot("io-0").lock().hold()) - hold_before) / hold, 1.0, 0.02);
  }
  EXPECT_GE(held, 0.97) << "share of the time that somebody held the lock";
}

TEST_P(MeterTest, SleepingTasksHardlyHoldIt) {
  StartOneInterpreter();
  std::vector<std::unique_ptr<PendingRun>> runs;
  for (int i = 0; i < GetParam(); ++i) runs.push_back(RunLater(Call(v1::IO, "spins.py", "sleep", {Json("1")})));
  for (const auto& run : runs) {
    const v1::Outcome& outcome = run->outcome();
    ASSERT_EQ(outcome.ending(), v1::SUCCEEDED) << outcome.DebugString();
    EXPECT_LT(Seconds(outcome.lock().hold()) / Seconds(outcome.usage().run()), 0.02) << outcome.DebugString();
  }
}

class MeterSumsTest : public ServerFixture {
 protected:
  void StartOneInterpreter() { StartServer({"--io-interpreters", "1", "--cpu-interpreters", "1"}); }
};

TEST_F(MeterSumsTest, LoneTaskOfTheCpuLaneHoldsItAllAndNeverWaits) {
  StartOneInterpreter();
  v1::Outcome outcome = Run(Call(v1::CPU, "spins.py", "spin_together", {Json("\"spin\""), Json("0.5")}));
  ASSERT_EQ(outcome.ending(), v1::SUCCEEDED) << outcome.DebugString();
  EXPECT_GE(Seconds(outcome.lock().hold()) / Seconds(outcome.usage().run()), 0.97);
  EXPECT_LT(Seconds(outcome.lock().wait()) / Seconds(outcome.usage().run()), 0.02);
}

TEST_F(MeterSumsTest, SpinnersForceEachOtherToLetGo) {
  StartOneInterpreter();
  std::vector<std::unique_ptr<PendingRun>> runs;
  for (int i = 0; i < 2; ++i) {
    runs.push_back(RunLater(Call(v1::IO, "spins.py", "spin_together", {Json("\"spin\""), Json("1")})));
  }
  for (const auto& run : runs) {
    const v1::LockUsage& lock = run->outcome().lock();
    EXPECT_GT(lock.forced_releases(), 0u);
    EXPECT_GT(lock.contended_takes(), 0u);
    EXPECT_LE(lock.contended_takes(), lock.takes());
  }
}

TEST_F(MeterSumsTest, HogsRunOnEveryCoreTheyAreAllowed) {
  StartOneInterpreter();
  std::vector<std::unique_ptr<PendingRun>> runs;
  for (int i = 0; i < 4; ++i) {
    runs.push_back(RunLater(Call(v1::IO, "spins.py", "spin_and_look", {Json("\"look\""), Json("1")})));
  }
  // Bound while they wait, never while they run.
  for (const auto& run : runs) {
    EXPECT_GE(run->outcome().lock().forced_releases(), 5u);
    EXPECT_EQ(run->outcome().result().json(), "[" + std::to_string(std::thread::hardware_concurrency()) + "]");
  }
}

TEST_F(MeterSumsTest, ThreadsOfATaskCountIntoIt) {
  StartOneInterpreter();
  v1::Outcome outcome = Run(Script(v1::IO,
                                   "import threading, time\n"
                                   "def spin():\n"
                                   "    end = time.monotonic() + 0.5\n"
                                   "    while time.monotonic() < end: pass\n"
                                   "thread = threading.Thread(target=spin)\n"
                                   "thread.start()\n"
                                   "thread.join()"));
  ASSERT_EQ(outcome.ending(), v1::SUCCEEDED) << outcome.DebugString();
  EXPECT_GE(Seconds(outcome.lock().hold()) / Seconds(outcome.usage().run()), 0.9) << outcome.DebugString();
}

}  // namespace
}  // namespace gild::testing
