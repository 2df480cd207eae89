// Task.profile_lock: the functions that held the lock, and for how long.
#include <algorithm>
#include <cmath>
#include <string>

#include "gmock/gmock.h"
#include "tests/testing/server_fixture.h"

namespace gild::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::StartsWith;

class LockProfileTest : public ServerFixture {
 protected:
  v1::Outcome RunProfiled(const std::string& entry, const std::vector<v1::Value>& arguments = {}) {
    v1::Task task = Call(v1::CPU, "profiles.py", entry, arguments);
    task.set_profile_lock(true);
    task.set_allow_subprocess(entry == "forks");
    return Run(task);
  }
};

v1::FunctionHold HoldOf(const v1::Outcome& outcome, const std::string& function) {
  for (const v1::FunctionHold& hold : outcome.lock_profile()) {
    if (hold.function() == function) return hold;
  }
  return {};
}

double Sum(const v1::Outcome& outcome) {
  double sum = 0;
  for (const v1::FunctionHold& hold : outcome.lock_profile()) sum += Seconds(hold.hold());
  return sum;
}

TEST_F(LockProfileTest, FunctionsAreChargedWhatTheyHoldThemselves) {
  StartSmallServer();
  // A core that is taken away in the middle makes a hold longer than the burn: one good round of a few will do.
  v1::Outcome outcome;
  for (int round = 0; round < 5; ++round) {
    outcome = RunProfiled("mixed", {Json("0.2")});
    ASSERT_EQ(outcome.ending(), v1::SUCCEEDED) << outcome.DebugString();
    if (std::abs(Seconds(HoldOf(outcome, "twice").hold()) / Seconds(HoldOf(outcome, "turn").hold()) - 2) < 0.1) break;
  }
  const double hold = Seconds(outcome.lock().hold());
  // Each of the two also calls the clock.
  const v1::FunctionHold twice = HoldOf(outcome, "twice");
  const v1::FunctionHold turn = HoldOf(outcome, "turn");
  EXPECT_EQ(outcome.lock_profile(0).function(), "twice") << outcome.DebugString();
  EXPECT_NEAR(Seconds(twice.hold()) / Seconds(turn.hold()), 2.0, 0.1) << outcome.DebugString();
  EXPECT_EQ(twice.calls(), 10u);
  EXPECT_EQ(twice.file(), "mixed");
  EXPECT_EQ(twice.line(), 17u);
  EXPECT_EQ(HoldOf(outcome, "time.thread_time").file(), "");
  EXPECT_GT(HoldOf(outcome, "time.thread_time").calls(), 100u);
  // What slept and hashed was off the lock.
  EXPECT_LT(Seconds(HoldOf(outcome, "time.sleep").hold()) / hold, 0.01);
  EXPECT_LT(Seconds(HoldOf(outcome, "off_the_lock").hold()) / hold, 0.05);
  EXPECT_GT(Seconds(outcome.usage().run()), hold + 0.2);
  EXPECT_NEAR(Sum(outcome) / hold, 1.0, 0.02) << outcome.DebugString();
}

TEST_F(LockProfileTest, WhoDoesNotAskIsToldNothing) {
  StartSmallServer();
  EXPECT_THAT(Run(Call(v1::CPU, "profiles.py", "turn", {Json("0.01")})).lock_profile(), IsEmpty());
}

TEST_F(LockProfileTest, TheInterpreterGoesOnWithoutIt) {
  StartSmallServer();
  EXPECT_FALSE(RunProfiled("turn", {Json("0.01")}).lock_profile().empty());
  const v1::Outcome outcome = Run(Script(v1::CPU, "import sys; print(sys.getprofile())"));
  EXPECT_EQ(outcome.stdout(), "None\n");
  EXPECT_THAT(outcome.usage().interpreter(), StartsWith("cpu-0#1"));
}

TEST_F(LockProfileTest, WhatEarlierTasksLeftInTheirThreadDoesNotStandInItsWay) {
  StartSmallServer();
  // CPython keeps looking for an exception that is taken back.
  Run(Script(v1::CPU,
             "import ctypes, threading\n"
             "ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(threading.get_ident()), None)"));
  Run(Script(v1::CPU, "pass"));
  const v1::Outcome outcome = RunProfiled("turn", {Json("0.01")});
  EXPECT_EQ(outcome.ending(), v1::SUCCEEDED) << outcome.DebugString();
  EXPECT_EQ(HoldOf(outcome, "turn").calls(), 1u);
}

TEST_F(LockProfileTest, WithTagAutoItRunsInTheCpuLaneAndIsProfiled) {
  StartSmallServer();
  v1::Task task = Script(v1::AUTO, "sorted(range(1000000))");
  task.set_profile_lock(true);
  const v1::Outcome outcome = Run(task);
  EXPECT_EQ(HoldOf(outcome, "sorted").calls(), 1u) << outcome.DebugString();
  EXPECT_EQ(HoldOf(outcome, "<module>").calls(), 1u) << outcome.DebugString();
}

TEST_F(LockProfileTest, WithTagIoItIsRefusedByName) {
  StartSmallServer();
  v1::Task task = Script(v1::IO, "pass");
  task.set_profile_lock(true);
  const grpc::Status status = TryRun(task);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("task.profile_lock"));
}

TEST_F(LockProfileTest, ATaskThatRaisesIsProfiledToo) {
  StartSmallServer();
  v1::Task task = Script(v1::CPU, "def f(n):\n  sum(range(n))\n  1 / 0\nf(1000000)");
  task.set_profile_lock(true);
  const v1::Outcome outcome = Run(task);
  EXPECT_EQ(outcome.ending(), v1::RAISED);
  EXPECT_GT(Seconds(HoldOf(outcome, "sum").hold()), 0);
}

TEST_F(LockProfileTest, RecursionDeeperThanIsKeptApartIsChargedToOther) {
  StartSmallServer();
  const v1::Outcome outcome = RunProfiled("very_deep", {Json("100000"), Json("8")});
  ASSERT_EQ(outcome.ending(), v1::SUCCEEDED) << outcome.DebugString();
  EXPECT_EQ(outcome.result().json(), "800000");
  EXPECT_EQ(HoldOf(outcome, "deep").calls(), 800'008u);
  EXPECT_GT(Seconds(HoldOf(outcome, "(other)").hold()), 0);
  EXPECT_NEAR(Sum(outcome) / Seconds(outcome.lock().hold()), 1.0, 0.02) << outcome.DebugString();
}

TEST_F(LockProfileTest, GeneratorsAndExceptionsLoseNothing) {
  StartSmallServer();
  const v1::Outcome outcome = RunProfiled("generator_with_errors", {Json("200000")});
  ASSERT_EQ(outcome.ending(), v1::SUCCEEDED) << outcome.DebugString();
  // Each time that it went on, and its end; then three more of the one that was left.
  EXPECT_NEAR(HoldOf(outcome, "generator_with_errors.<locals>.numbers").calls(), 200'001, 4) << outcome.DebugString();
  EXPECT_NEAR(Sum(outcome) / Seconds(outcome.lock().hold()), 1.0, 0.02) << outcome.DebugString();
}

TEST_F(LockProfileTest, MoreFunctionsThanAreKeptApartAreOther) {
  StartSmallServer();
  const v1::Outcome outcome = RunProfiled("many_functions", {Json("10000")});
  ASSERT_EQ(outcome.ending(), v1::SUCCEEDED) << outcome.DebugString();
  EXPECT_THAT(outcome.lock_profile(), SizeIs(20));
  EXPECT_GT(HoldOf(outcome, "(other)").calls(), 10'000u) << outcome.DebugString();
}

TEST_F(LockProfileTest, ATaskWithAProfileOfItsOwnEndsIt) {
  StartSmallServer();
  const v1::Outcome outcome = RunProfiled("takes_over", {Json("0.1")});
  ASSERT_EQ(outcome.ending(), v1::SUCCEEDED) << outcome.DebugString();
  EXPECT_GT(Seconds(HoldOf(outcome, "turn").hold()), 0.05) << outcome.DebugString();
  EXPECT_EQ(HoldOf(outcome, "twice").calls(), 0u);
  EXPECT_LT(Sum(outcome), 0.7 * Seconds(outcome.lock().hold()));
}

TEST_F(LockProfileTest, AForkedChildIsNotInIt) {
  StartSmallServer();
  const v1::Outcome outcome = RunProfiled("forks", {Json("0.1")});
  ASSERT_EQ(outcome.ending(), v1::SUCCEEDED) << outcome.DebugString();
  EXPECT_EQ(HoldOf(outcome, "turn").calls(), 1u);
  EXPECT_NEAR(Sum(outcome) / Seconds(outcome.lock().hold()), 1.0, 0.02) << outcome.DebugString();
}

TEST_F(LockProfileTest, LongAndStrangeNamesAreCutBetweenCharacters) {
  StartSmallServer();
  const v1::Outcome outcome = RunProfiled("named_strangely");
  ASSERT_EQ(outcome.ending(), v1::SUCCEEDED) << outcome.DebugString();
  // "f" and 127 letters of two bytes: the 256th byte would be half a letter.
  EXPECT_EQ(outcome.lock_profile(0).function().size(), 255u);
  EXPECT_EQ(outcome.lock_profile(0).file(), "wo\\udcff");
}

TEST_F(LockProfileTest, AMemoryLimitMeetsTheTaskAndNotItsProfile) {
  StartSmallServer();
  v1::Task task = Call(v1::CPU, "hogs.py", "memory_in_pieces");
  task.mutable_limits()->set_memory_bytes(64 << 20);
  task.set_profile_lock(true);
  const v1::Outcome outcome = Run(task);
  EXPECT_EQ(outcome.ending(), v1::MEMORY_LIMIT) << outcome.DebugString();
  EXPECT_FALSE(outcome.lock_profile().empty());
}

}  // namespace
}  // namespace gild::testing
