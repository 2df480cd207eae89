#include "server/metrics/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>

#include "server/base/clock.h"

namespace gild {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

ServerInfo SomeInfo() {
  return {.version = "0.1.0",
          .python_version = "3.11.2",
          .meter_available = true,
          .isolation = {{LaneKind::kIo, {.in_force = {"seccomp", "rlimits"}, .missing = {{"landlock", "none here"}}}}},
          .cores = {0, 1}};
}

ServerSnapshot SomeSnapshot() {
  ServerSnapshot snapshot;
  snapshot.uptime_ns = 5 * kNsPerSecond;
  snapshot.lanes = {{.lane = LaneKind::kIo, .serving = true, .queued = 3, .queued_bytes = 999, .running = 7},
                    {.lane = LaneKind::kCpu}};
  SlotSnapshot io{.slot = "io-0", .lane = LaneKind::kIo, .state = InterpreterState::kReady, .generation = 2};
  io.lock = LockUsage{.wait_ns = 1'500'000'000,
                      .hold_ns = 250'000'000,
                      .takes = 40,
                      .contended_takes = 30,
                      .forced_releases = 20,
                      .longest_hold_ns = 5'000'000};
  io.waiters = 6;
  io.holder = HolderSnapshot{.held_ns = 2 * kNsPerSecond};
  io.restarts = {{"crashed", 1}};
  SlotSnapshot cpu{.slot = "cpu-0", .lane = LaneKind::kCpu, .state = InterpreterState::kBackingOff};
  snapshot.slots = {io, cpu};
  snapshot.cores = {{.core = 0,
                     .io_ns = 1 * kNsPerSecond,
                     .cpu_ns = 2 * kNsPerSecond,
                     .server_ns = 3 * kNsPerSecond,
                     .other_ns = 4 * kNsPerSecond,
                     .idle_ns = 5 * kNsPerSecond,
                     .steal_ns = 6 * kNsPerSecond}};
  snapshot.core_times = {{.core = 0,
                          .user_ns = 1 * kNsPerSecond,
                          .system_ns = 2 * kNsPerSecond,
                          .idle_ns = 3 * kNsPerSecond,
                          .steal_ns = 4 * kNsPerSecond}};
  snapshot.core_split_exact = true;
  snapshot.lost_parallelism_ns = 7 * kNsPerSecond;
  snapshot.sessions = {.live = {{.session = "a"}, {.session = "b"}}, .forgotten_idle = 8, .forgotten_full = 9};
  return snapshot;
}

class MetricsTest : public testing::Test {
 protected:
  std::string Text() { return metrics_.Serialize(); }

  ServerSnapshot snapshot_ = SomeSnapshot();
  Metrics metrics_{&SomeInfo, [this] { return snapshot_; }};
};

TEST_F(MetricsTest, ATaskIsCountedByTagLaneAndEnding) {
  Task task;
  task.tag = Tag::kAuto;
  task.lane = LaneKind::kCpu;
  Outcome outcome;
  outcome.ending = Ending::kTimedOut;
  metrics_.TaskEnded(task, outcome);
  EXPECT_THAT(Text(), HasSubstr("gild_tasks_total{ending=\"TIMED_OUT\",lane=\"cpu\",tag=\"AUTO\"} 1\n"));
  EXPECT_THAT(Text(), HasSubstr("gild_tasks_total{ending=\"SUCCEEDED\",lane=\"cpu\",tag=\"AUTO\"} 0\n"));
}

TEST_F(MetricsTest, WhatATaskDidNotMeasureIsNotObserved) {
  Task task;
  task.tag = Tag::kIo;
  task.lane = LaneKind::kIo;
  Outcome measured;
  measured.usage = {.queue_ns = 1000, .run_ns = 2 * kNsPerSecond};
  measured.lock = LockUsage{.wait_ns = kNsPerSecond, .hold_ns = kNsPerMs};
  metrics_.TaskEnded(task, measured);
  metrics_.TaskEnded(task, Outcome());
  EXPECT_THAT(Text(), HasSubstr("gild_task_queue_seconds_count{lane=\"io\"} 2\n"));
  EXPECT_THAT(Text(), HasSubstr("gild_task_run_seconds_count{lane=\"io\"} 1\n"));
  EXPECT_THAT(Text(), HasSubstr("gild_task_run_seconds_sum{lane=\"io\"} 2\n"));
  EXPECT_THAT(Text(), HasSubstr("gild_task_lock_wait_seconds_count{lane=\"io\"} 1\n"));
  EXPECT_THAT(Text(), HasSubstr("gild_task_lock_hold_seconds_sum{lane=\"io\"} 0.001\n"));
}

TEST_F(MetricsTest, RefusalsAreThereFromTheStart) {
  EXPECT_THAT(Text(), HasSubstr("gild_refusals_total{reason=\"queue_full\"} 0\n"));
  metrics_.Refused("queue_full");
  EXPECT_THAT(Text(), HasSubstr("gild_refusals_total{reason=\"queue_full\"} 1\n"));
}

TEST_F(MetricsTest, LanesComeFromTheSnapshot) {
  EXPECT_THAT(Text(), HasSubstr("gild_queue_tasks{lane=\"io\"} 3\n"));
  EXPECT_THAT(Text(), HasSubstr("gild_queue_bytes{lane=\"io\"} 999\n"));
  EXPECT_THAT(Text(), HasSubstr("gild_running_tasks{lane=\"io\"} 7\n"));
  EXPECT_THAT(Text(), HasSubstr("gild_lane_serving{lane=\"io\"} 1\n"));
  EXPECT_THAT(Text(), HasSubstr("gild_lane_serving{lane=\"cpu\"} 0\n"));
  EXPECT_THAT(Text(), HasSubstr("gild_interpreters{lane=\"io\",state=\"ready\"} 1\n"));
  EXPECT_THAT(Text(), HasSubstr("gild_interpreters{lane=\"cpu\",state=\"backing_off\"} 1\n"));
  EXPECT_THAT(Text(), HasSubstr("gild_interpreters{lane=\"cpu\",state=\"ready\"} 0\n"));
}

TEST_F(MetricsTest, TheLockOfASlotIsInSeconds) {
  EXPECT_THAT(Text(), HasSubstr("gild_lock_wait_seconds_total{slot=\"io-0\"} 1.5\n"));
  EXPECT_THAT(Text(), HasSubstr("gild_lock_hold_seconds_total{slot=\"io-0\"} 0.25\n"));
  EXPECT_THAT(Text(), HasSubstr("gild_lock_takes_total{slot=\"io-0\"} 40\n"));
  EXPECT_THAT(Text(), HasSubstr("gild_lock_contended_takes_total{slot=\"io-0\"} 30\n"));
  EXPECT_THAT(Text(), HasSubstr("gild_lock_forced_releases_total{slot=\"io-0\"} 20\n"));
  EXPECT_THAT(Text(), HasSubstr("gild_lock_longest_hold_seconds{slot=\"io-0\"} 0.005\n"));
  EXPECT_THAT(Text(), HasSubstr("gild_lock_waiters{slot=\"io-0\"} 6\n"));
  EXPECT_THAT(Text(), HasSubstr("gild_lock_current_hold_seconds{slot=\"io-0\"} 2\n"));
}

TEST_F(MetricsTest, AnUnavailableLockIsAbsentNotZero) {
  EXPECT_THAT(Text(), Not(HasSubstr("{slot=\"cpu-0\"}")));
  snapshot_.slots[0].lock.reset();
  EXPECT_THAT(Text(), Not(HasSubstr("gild_lock_")));
}

TEST_F(MetricsTest, EveryKindOfACoresTimeIsThere) {
  int seconds = 0;
  for (const char* kind : {"io", "cpu", "server", "other", "idle", "steal"}) {
    EXPECT_THAT(Text(), HasSubstr(std::string("gild_core_split_seconds_total{core=\"0\",kind=\"") + kind + "\"} " +
                                  std::to_string(++seconds) + "\n"));
  }
  EXPECT_THAT(Text(), HasSubstr("gild_core_split_exact 1\n"));
  EXPECT_THAT(Text(), HasSubstr("gild_lost_parallelism_core_seconds_total 7\n"));
}

TEST_F(MetricsTest, EveryModeOfACoreIsThere) {
  int seconds = 0;
  for (const char* mode : {"user", "system", "idle", "steal"}) {
    EXPECT_THAT(Text(), HasSubstr(std::string("gild_core_seconds_total{core=\"0\",mode=\"") + mode + "\"} " +
                                  std::to_string(++seconds) + "\n"));
  }
}

TEST_F(MetricsTest, AnEstimateIsMarkedAndWhatCannotBeToldIsAbsent) {
  snapshot_.core_split_exact = false;
  snapshot_.lost_parallelism_ns.reset();
  EXPECT_THAT(Text(), HasSubstr("gild_core_split_exact 0\n"));
  EXPECT_THAT(Text(), Not(HasSubstr("gild_lost_parallelism")));
  snapshot_.cores.clear();
  EXPECT_THAT(Text(), Not(HasSubstr("gild_core_split_seconds_total{")));
}

TEST_F(MetricsTest, SessionsAreCountedNotNamed) {
  EXPECT_THAT(Text(), HasSubstr("gild_sessions 2\n"));
  EXPECT_THAT(Text(), HasSubstr("gild_sessions_forgotten_total{cause=\"idle\"} 8\n"));
  EXPECT_THAT(Text(), HasSubstr("gild_sessions_forgotten_total{cause=\"full\"} 9\n"));
  EXPECT_THAT(Text(), HasSubstr("gild_refusals_total{reason=\"sessions_full\"} 0\n"));
}

TEST_F(MetricsTest, EveryLayerOfIsolationIsThereByLane) {
  EXPECT_THAT(Text(), HasSubstr("gild_isolation_layer{lane=\"io\",layer=\"seccomp\"} 1\n"));
  EXPECT_THAT(Text(), HasSubstr("gild_isolation_layer{lane=\"io\",layer=\"rlimits\"} 1\n"));
  EXPECT_THAT(Text(), HasSubstr("gild_isolation_layer{lane=\"io\",layer=\"landlock\"} 0\n"));
  EXPECT_THAT(Text(), Not(HasSubstr("gild_isolation_layer{lane=\"cpu\""))) << "no slot of it has been made";
}

TEST_F(MetricsTest, RestartsAndBuildAreThere) {
  EXPECT_THAT(Text(), HasSubstr("gild_interpreter_restarts_total{slot=\"io-0\",lane=\"io\",cause=\"crashed\"} 1\n"));
  EXPECT_THAT(Text(),
              HasSubstr("gild_build_info{version=\"0.1.0\",python_version=\"3.11.2\",lock_meter=\"available\"} 1\n"));
  EXPECT_THAT(Text(), HasSubstr("gild_draining 0\n"));
}

TEST_F(MetricsTest, PromtoolHasNothingToSay) {
  metrics_.TaskEnded(Task(), Outcome());
  ASSERT_EQ(std::system("command -v promtool >/dev/null"), 0) << "promtool (Debian package prometheus) is missing";
  char path[] = "/tmp/gild-promtool-XXXXXX";
  const int out = mkstemp(path);
  ASSERT_GE(out, 0);
  close(out);
  FILE* const promtool = popen((std::string("promtool check metrics >") + path + " 2>&1").c_str(), "w");
  ASSERT_NE(promtool, nullptr);
  const std::string text = Text();
  fwrite(text.data(), 1, text.size(), promtool);
  const int status = pclose(promtool);
  std::string said(4096, '\0');
  FILE* const file = fopen(path, "r");
  said.resize(fread(said.data(), 1, said.size(), file));
  fclose(file);
  unlink(path);
  EXPECT_EQ(status, 0) << said;
  EXPECT_EQ(said, "");
}

}  // namespace
}  // namespace gild
