// The model of `gild advise` with given figures, and what is told of it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>
#include <string>

#include "client/cli/advise_model.h"
#include "client/cli/advise_report.h"
#include "client/cli/json.h"
#include "client/cli/table.h"

namespace gild::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Le;
using ::testing::Not;

constexpr Places kTwoCores = {.cores = 2, .processes = 2, .threads = 128};

AloneCost Cost(double run_ms, double hold_ms, double native_ms, double takes = 1, double around_ms = 0.5) {
  return {.wall = absl::Milliseconds(run_ms + around_ms),
          .run = absl::Milliseconds(run_ms),
          .hold = absl::Milliseconds(hold_ms),
          .native = absl::Milliseconds(native_ms),
          .takes = takes};
}

const AloneCost kWaits = Cost(52, 0.9, 0.3, 12);
const AloneCost kBytecode = Cost(100, 100, 0);
const AloneCost kProducts = Cost(100, 1, 99, 20);

// Against one at a time.
double Speedup(v1::Lane lane, const AloneCost& cost, size_t copies, const Places& places = kTwoCores) {
  return PredictedRate(lane, cost, places, copies) * absl::ToDoubleSeconds(cost.wall);
}

TEST(AdviseModelTest, SharesAreOfTheRunAndNeverNegative) {
  EXPECT_DOUBLE_EQ(Cost(10, 2, 3).HoldShare(), 0.2);
  EXPECT_DOUBLE_EQ(Cost(10, 2, 3).NativeShare(), 0.3);
  EXPECT_DOUBLE_EQ(Cost(10, 2, 3).WaitingShare(), 0.5);
  EXPECT_DOUBLE_EQ(Cost(10, 10, 1).WaitingShare(), 0);
  EXPECT_DOUBLE_EQ(Cost(0, 0, 0).HoldShare(), 0);
}

TEST(AdviseModelTest, OneCopyGainsNothing) {
  for (const v1::Lane lane : {v1::IO_LANE, v1::CPU_LANE}) {
    EXPECT_NEAR(Speedup(lane, kWaits, 1), 1, 0.01);
    EXPECT_NEAR(Speedup(lane, kProducts, 1), 1, 0.01);
    EXPECT_NEAR(Speedup(lane, kBytecode, 1), 1, 0.01);
  }
}

TEST(AdviseModelTest, CopiesThatWaitGainAsManyTimesFromThreadsUntilTheLockIsBusy) {
  EXPECT_NEAR(Speedup(v1::IO_LANE, kWaits, 8), 8, 0.1);
  EXPECT_NEAR(Speedup(v1::IO_LANE, kWaits, 32), 31, 1);
  EXPECT_GT(Speedup(v1::IO_LANE, kWaits, 128), 35);
  EXPECT_LT(Speedup(v1::IO_LANE, kWaits, 128), 52.5 / 0.9);
  // Processes: as many as there are.
  EXPECT_NEAR(Speedup(v1::CPU_LANE, kWaits, 32), 2, 0.05);
}

TEST(AdviseModelTest, ThreadsAreAsManyAsTheLaneHas) {
  EXPECT_NEAR(Speedup(v1::IO_LANE, kWaits, 32, {.cores = 2, .processes = 2, .threads = 4}), 4, 0.05);
}

TEST(AdviseModelTest, BytecodeGainsNothingFromThreads) {
  EXPECT_NEAR(Speedup(v1::IO_LANE, kBytecode, 8), 1, 0.03);
  EXPECT_NEAR(Speedup(v1::CPU_LANE, kBytecode, 8), 2, 0.03);
}

TEST(AdviseModelTest, CodeOffTheLockGainsTheCoresFromEither) {
  EXPECT_NEAR(Speedup(v1::IO_LANE, kProducts, 8), 2, 0.03);
  EXPECT_NEAR(Speedup(v1::CPU_LANE, kProducts, 8), 2, 0.03);
}

TEST(AdviseModelTest, AsManyCopiesAsCoresEachHaveTheirOwn) { EXPECT_NEAR(Speedup(v1::IO_LANE, kProducts, 2), 2, 0.03); }

TEST(AdviseModelTest, ATakeThatFindsTheLockTakenCostsAHandOver) {
  // Others have it for 12 % of the time: 120 of the takes, 130 µs each.
  const AloneCost often = Cost(100, 6, 94, 1000);
  EXPECT_NEAR(Speedup(v1::IO_LANE, often, 8), 2.0 / 1.16, 0.03);
  EXPECT_GT(Speedup(v1::IO_LANE, often, 2), Speedup(v1::IO_LANE, often, 8)) << "fewer meet at the lock";
  EXPECT_NEAR(Speedup(v1::CPU_LANE, often, 8), 2, 0.03);
  // As many takes of a lock that hardly anybody has.
  EXPECT_NEAR(Speedup(v1::IO_LANE, Cost(100, 0.5, 99.5, 1000), 8), 2, 0.04);
}

TEST(AdviseModelTest, WhatIsAroundARunTakesItsShareOfTheCores) {
  EXPECT_NEAR(PredictedRate(v1::CPU_LANE, Cost(1, 1, 0, 1, 1), kTwoCores, 8), 1000, 1);
}

TEST(AdviseModelTest, MoreInterpretersThanCoresGainNoMoreThanTheCores) {
  EXPECT_NEAR(Speedup(v1::CPU_LANE, kBytecode, 16, {.cores = 2, .processes = 8, .threads = 128}), 2, 0.03);
}

TEST(AdviseModelTest, TheTagIsIoWhereThreadsAreAsGood) {
  EXPECT_EQ(TagFor(100, 10), v1::IO);
  EXPECT_EQ(TagFor(10, 10), v1::IO);
  EXPECT_EQ(TagFor(9.1, 10), v1::IO);
  EXPECT_EQ(TagFor(8.9, 10), v1::CPU);
}

absl::Duration TimeOf(const AdvicePlan& plan, const AloneCost& cost) {
  const absl::Duration alone = static_cast<int64_t>(plan.io_alone + plan.cpu_alone) * cost.wall;
  const double at_once =
      static_cast<double>(plan.io_tasks) / PredictedRate(v1::IO_LANE, cost, kTwoCores, plan.copies) +
      static_cast<double>(plan.cpu_tasks) / PredictedRate(v1::CPU_LANE, cost, kTwoCores, plan.copies);
  return static_cast<int64_t>(plan.rounds) * (alone + (plan.measure ? absl::Seconds(at_once) : absl::ZeroDuration()));
}

TEST(AdvicePlanTest, WorkThatWaitsIsTriedWithMoreAtOnce) {
  EXPECT_EQ(PlanFor(kWaits, kWaits, kTwoCores, 0, absl::Seconds(20)).copies, 32u);
  EXPECT_EQ(PlanFor(kBytecode, kBytecode, kTwoCores, 0, absl::Seconds(20)).copies, 8u);
  const AdvicePlan asked = PlanFor(kBytecode, kBytecode, kTwoCores, 5, absl::Seconds(20));
  EXPECT_EQ(asked.copies, 5u);
  EXPECT_FALSE(asked.lowered);
}

TEST(AdvicePlanTest, MoreThanTheLaneHasThreadsIsLowered) {
  const AdvicePlan plan = PlanFor(kWaits, kWaits, kTwoCores, 500, absl::Seconds(20));
  EXPECT_EQ(plan.copies, 128u);
  EXPECT_TRUE(plan.lowered);
}

TEST(AdvicePlanTest, ItFitsTheTime) {
  for (const double run_ms : {0.02, 1.0, 5.0, 50.0, 300.0, 900.0, 2000.0, 4000.0}) {
    for (const double hold_share : {0.01, 0.5, 1.0}) {
      const AloneCost cost = Cost(run_ms, run_ms * hold_share, 0);
      const AdvicePlan plan = PlanFor(cost, cost, kTwoCores, 0, absl::Seconds(20));
      EXPECT_GE(plan.rounds, 1u) << run_ms;
      EXPECT_THAT(TimeOf(plan, cost), Le(absl::Seconds(20))) << run_ms << " " << hold_share;
      if (plan.measure) {
        EXPECT_EQ(plan.io_tasks % plan.copies, 0u);
        EXPECT_EQ(plan.cpu_tasks % plan.copies, 0u);
        EXPECT_GE(plan.io_tasks, plan.copies);
      }
    }
  }
}

TEST(AdvicePlanTest, ALongRunHasFewerCopiesThenNoneThenNotEvenASecondRun) {
  const auto plan = [](double run_s) {
    const AloneCost cost = Cost(run_s * 1e3, run_s * 1e3, 0);
    return PlanFor(cost, cost, kTwoCores, 0, absl::Seconds(20));
  };
  EXPECT_EQ(plan(0.5).copies, 8u);
  EXPECT_FALSE(plan(0.5).lowered);
  EXPECT_LT(plan(3).copies, 8u);
  EXPECT_TRUE(plan(3).lowered);
  EXPECT_TRUE(plan(3).measure);
  EXPECT_FALSE(plan(6).measure);
  EXPECT_EQ(plan(6).rounds, 1u);
  EXPECT_EQ(plan(15).rounds, 0u);
  EXPECT_EQ(PlanFor(kBytecode, kBytecode, kTwoCores, 0, -absl::Seconds(1)).rounds, 0u);
}

class AdviseReportTest : public ::testing::Test {
 protected:
  AdviseReportTest() {
    report_.gild_version = "0.1";
    report_.python_version = "3.11.2";
    report_.script = "primes.py: count";
    report_.places = kTwoCores;
    report_.took = absl::Seconds(12);
    report_.plan = {.copies = 8, .rounds = 5, .measure = true};
    Set(kBytecode, 0.95, 1.9);
    report_.next = "gild run --tag cpu --entry count primes.py";
    v1::Outcome& profiled = report_.profiled.emplace();
    profiled.mutable_lock()->mutable_hold()->set_seconds(2);
    AddHold("count", "primes.py", 4, 1'960'000'000, 1);
    AddHold("list.append", "", 0, 30'000'000, 500);
  }

  void Set(const AloneCost& cost, double io_speedup, double cpu_speedup) {
    for (LaneAdvice* lane : {&report_.io, &report_.cpu}) {
      lane->alone = cost;
      lane->alone_runs = 10;
      lane->predicted = PredictedRate(lane->lane, cost, kTwoCores, report_.plan.copies);
      lane->measured_runs = 40;
      lane->measured = (lane == &report_.io ? io_speedup : cpu_speedup) / absl::ToDoubleSeconds(cost.wall);
    }
  }

  void AddHold(const std::string& function, const std::string& file, uint32_t line, int64_t ns, uint64_t calls) {
    v1::FunctionHold& hold = *report_.profiled->add_lock_profile();
    hold.set_function(function);
    hold.set_file(file);
    hold.set_line(line);
    hold.mutable_hold()->set_seconds(ns / 1'000'000'000);
    hold.mutable_hold()->set_nanos(static_cast<int32_t>(ns % 1'000'000'000));
    hold.set_calls(calls);
  }

  AdviceReport report_;
};

TEST_F(AdviseReportTest, TheTextOfBytecode) {
  EXPECT_EQ(AdviceText(report_),
            R"(gild advise primes.py: count                       2 cores, CPython 3.11.2, 12 s

tag: CPU. Predicted: 0.99x from threads, 2.00x from processes.
It holds the lock for 100% of its run (LOCK_BOUND): threads take turns.

LANE  ALONE  HOLDING  NATIVE  WAITING  AT ONCE  PREDICTED  MEASURED
I/O   100ms     100%      0%       0%        8     0.99x      0.95x
CPU   100ms     100%      0%       0%        8     2.00x*     1.90x

The function that holds the lock: count (primes.py:4), 98% of 2.00s in one run.
  FUNCTION               HELD  SHARE  CALLS
  count (primes.py:4)   1.96s    98%      1
  list.append          30.0ms     2%    500

ALONE: one run. HOLDING, NATIVE, WAITING: of it, with the lock, in C code off
the lock, for the world. PREDICTED, from these: runs a second with so many AT
ONCE, against one at a time in the CPU lane; * the tag's lane. MEASURED: the
same, of 40 and 40 runs. Of 5 rounds the quickest counts. HELD: by the function
itself, exact; watching its calls makes it slower.
next: gild run --tag cpu --entry count primes.py
)");
}

TEST_F(AdviseReportTest, EveryLineFitsAScreen) {
  report_.script = "a.py: " + std::string(20, 'f');
  AddHold(std::string(300, 'x'), "/usr/lib/python3/dist-packages/" + std::string(200, 'y') + ".py", 4321, 1000,
          1 << 30);
  report_.plan.lowered = true;
  report_.other_load = 0.4;
  Set(kWaits, 0.5, 1.9);
  std::istringstream text(AdviceText(report_));
  for (std::string line; std::getline(text, line);) EXPECT_LE(CharacterCount(line), kReportColumns) << line;
}

TEST_F(AdviseReportTest, WorkThatWaitsBelongsToThreads) {
  Set(kWaits, 31, 2);
  EXPECT_EQ(report_.Tag(), v1::IO);
  EXPECT_THAT(AdviceText(report_), HasSubstr("tag: IO. Predicted: "));
  EXPECT_THAT(AdviceText(report_), HasSubstr("(IO_BOUND)"));
  EXPECT_THAT(AdviceText(report_), Not(HasSubstr("would do, too")));
}

TEST_F(AdviseReportTest, OfNativeWorkItSaysThatEitherLaneWillDo) {
  Set(kProducts, 1.95, 1.97);
  EXPECT_EQ(report_.Tag(), v1::IO);
  EXPECT_TRUE(report_.Confirmed());
  EXPECT_THAT(AdviceText(report_), HasSubstr("The CPU lane would do, too."));
  EXPECT_THAT(AdviceText(report_), HasSubstr("(NATIVE)"));
  EXPECT_THAT(AdviceText(report_), Not(HasSubstr("NOTE")));
}

TEST_F(AdviseReportTest, AMeasurementThatSaysTheOppositeIsTold) {
  Set(kProducts, 1.2, 2);
  EXPECT_FALSE(report_.Confirmed());
  EXPECT_THAT(AdviceText(report_), HasSubstr("measured, it was the other way: 1.20x from threads"));
  EXPECT_THAT(AdviceJson(report_), HasSubstr(R"("tag":"IO","confirmed":false)"));
}

TEST_F(AdviseReportTest, WhatThereWasNoTimeForIsNotMadeUp) {
  report_.plan.measure = false;
  report_.io.measured.reset();
  report_.cpu.measured.reset();
  report_.profiled.reset();
  const std::string text = AdviceText(report_);
  EXPECT_THAT(text, HasSubstr("n/a"));
  EXPECT_THAT(text, HasSubstr("NOTE: there was no time to measure"));
  EXPECT_THAT(text, Not(HasSubstr("The function that holds")));
  EXPECT_THAT(text, Not(HasSubstr("MEASURED:")));
  const std::string json = AdviceJson(report_);
  EXPECT_TRUE(IsJson(json)) << json;
  EXPECT_THAT(json, HasSubstr(R"("confirmed":null)"));
  EXPECT_THAT(json, HasSubstr(R"("measured_speedup":null)"));
  EXPECT_THAT(json, HasSubstr(R"("lock_profile":null)"));
}

TEST_F(AdviseReportTest, FewerCopiesAreTold) {
  report_.plan.lowered = true;
  EXPECT_THAT(AdviceText(report_), HasSubstr("NOTE: 8 at once, no more"));
}

TEST_F(AdviseReportTest, ABusyMachineIsMentioned) {
  report_.other_load = 0.4;
  EXPECT_THAT(AdviceText(report_), HasSubstr("NOTE: other work took 40% of the cores"));
}

TEST_F(AdviseReportTest, NamesAreHarmlessOnATerminal) {
  AddHold("\x1b[2J", "a\nb", 1, 1, 1);
  EXPECT_THAT(AdviceText(report_), Not(HasSubstr("\x1b")));
  EXPECT_TRUE(IsJson(AdviceJson(report_)));
}

TEST_F(AdviseReportTest, JsonHasEveryFigure) {
  const std::string json = AdviceJson(report_);
  EXPECT_TRUE(IsJson(json)) << json;
  for (const char* part :
       {R"("tag":"CPU","confirmed":true)", R"("copies_at_once":8)", R"("lane":"io","alone":{"runs":10)",
        R"("measured_runs":40)", R"({"function":"count","file":"primes.py","line":4,"hold_seconds":1.96)"}) {
    EXPECT_THAT(json, HasSubstr(part));
  }
}

}  // namespace
}  // namespace gild::cli
