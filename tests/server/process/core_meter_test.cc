#include "server/process/core_meter.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

namespace gild {
namespace {

// A machine of two cores whose counters stand where a test puts them.
class CoreMeterTest : public testing::Test {
 protected:
  void Pass(int64_t ms) { now_ns_ += ms * kNsPerMs; }
  CoreMeter::Figures Look() { return meter_.Look(now_ns_, slots_); }
  void Count(std::optional<int> waiting) { meter_.Count(now_ns_, slots_, waiting); }
  static int64_t Ms(int64_t ns) { return ns / kNsPerMs; }

  int64_t now_ns_ = 77;
  absl::StatusOr<std::vector<CoreTimes>> core_times_ = std::vector<CoreTimes>{{.core = 0}, {.core = 1}};
  absl::StatusOr<std::map<int, OwnTime>> groups_ = std::map<int, OwnTime>();
  int64_t server_ns_ = 0;
  std::map<pid_t, int64_t> processes_ns_;
  std::vector<SlotSnapshot> slots_;
  CoreMeter meter_{{0, 1},
                   {.core_times = [this] { return core_times_; },
                    .groups = [this] { return groups_; },
                    .server_ns = [this] { return server_ns_; },
                    .process_ns = [this](pid_t pid) { return processes_ns_[pid]; }}};
};

TEST_F(CoreMeterTest, WithGroupsEachCoreIsExact) {
  Look();
  Pass(100);
  (*groups_)[1] = {.io_ns = 10 * kNsPerMs, .cpu_ns = 20 * kNsPerMs, .server_ns = 30 * kNsPerMs};
  (*core_times_)[1].idle_ns = 40 * kNsPerMs;
  // Their clocks do not matter.
  slots_ = {{.slot = "io-0", .generation = 1, .pid = 5}};
  processes_ns_[5] = 50 * kNsPerMs;
  const CoreMeter::Figures figures = Look();
  ASSERT_EQ(figures.cores.size(), 2);
  EXPECT_EQ(Ms(figures.cores[0].other_ns), 100);
  EXPECT_EQ(Ms(figures.cores[1].io_ns), 10);
  EXPECT_EQ(Ms(figures.cores[1].cpu_ns), 20);
  EXPECT_EQ(Ms(figures.cores[1].server_ns), 30);
  EXPECT_EQ(Ms(figures.cores[1].idle_ns), 40);
  EXPECT_EQ(Ms(figures.cores[1].other_ns), 0);
  EXPECT_TRUE(meter_.exact());
  EXPECT_EQ(meter_.detail(), "control groups of cgroup v1's cpuacct");
}

TEST_F(CoreMeterTest, WithoutGroupsTheProcessesClocksMakeAnEstimate) {
  meter_.Distrust("no groups here");
  EXPECT_FALSE(meter_.exact());
  EXPECT_EQ(meter_.detail(), "no groups here");
  Look();
  Pass(100);
  slots_ = {{.slot = "io-0", .lane = LaneKind::kIo, .generation = 1, .pid = 5},
            {.slot = "cpu-0", .lane = LaneKind::kCpu, .generation = 1, .pid = 6, .core = 1},
            {.slot = "cpu-1", .lane = LaneKind::kCpu, .generation = 1, .pid = 0, .core = 0}};
  processes_ns_ = {{5, 60 * kNsPerMs}, {6, 50 * kNsPerMs}};
  server_ns_ = 10 * kNsPerMs;
  (*core_times_)[1].idle_ns = 50 * kNsPerMs;
  const CoreMeter::Figures figures = Look();
  ASSERT_EQ(figures.cores.size(), 2);
  EXPECT_EQ(Ms(figures.cores[0].io_ns), 60);
  EXPECT_EQ(Ms(figures.cores[0].server_ns), 10);
  EXPECT_EQ(Ms(figures.cores[0].other_ns), 30);
  EXPECT_EQ(Ms(figures.cores[1].cpu_ns), 50);
  EXPECT_EQ(Ms(figures.cores[1].idle_ns), 50);
}

TEST_F(CoreMeterTest, AnInterpretersSuccessorIsCountedFromItsBirth) {
  meter_.Distrust("no groups here");
  slots_ = {{.slot = "cpu-0", .lane = LaneKind::kCpu, .generation = 1, .pid = 6, .core = 0}};
  Look();
  for (int64_t& ms : std::vector<int64_t>{40, 60}) {
    Pass(100);
    processes_ns_[6] = ms * kNsPerMs;
    Look();
  }
  Pass(100);
  slots_[0].generation = 2;
  processes_ns_[6] = 30 * kNsPerMs;
  EXPECT_EQ(Ms(Look().cores[0].cpu_ns), 90);
  // Dead: its clock is gone.
  Pass(100);
  processes_ns_[6] = 0;
  EXPECT_EQ(Ms(Look().cores[0].cpu_ns), 90);
}

TEST_F(CoreMeterTest, GroupsThatAreTakenAwayMakeItAnEstimateWithoutAJump) {
  slots_ = {{.slot = "cpu-0", .lane = LaneKind::kCpu, .generation = 1, .pid = 6, .core = 0}};
  processes_ns_[6] = 5'000 * kNsPerMs;
  Look();
  Pass(100);
  (*groups_)[0] = {.cpu_ns = 70 * kNsPerMs};
  EXPECT_EQ(Ms(Look().cores[0].cpu_ns), 70);
  Pass(100);
  groups_ = absl::NotFoundError("they are gone");
  EXPECT_EQ(Ms(Look().cores[0].cpu_ns), 70);
  EXPECT_FALSE(meter_.exact());
  EXPECT_EQ(meter_.detail(), "they are gone");
  meter_.Distrust("something else");
  EXPECT_EQ(meter_.detail(), "they are gone");
  Pass(100);
  processes_ns_[6] += 25 * kNsPerMs;
  EXPECT_EQ(Ms(Look().cores[0].cpu_ns), 95);
}

TEST_F(CoreMeterTest, WithoutProcStatTheFiguresAreAbsent) {
  core_times_ = absl::UnavailableError("no /proc");
  Count(3);
  EXPECT_TRUE(Look().cores.empty());
  EXPECT_FALSE(Look().lost_parallelism_ns.has_value());
}

TEST_F(CoreMeterTest, ParallelismIsLostWhereACoreIdlesWhileATaskWaits) {
  Count(1);
  EXPECT_EQ(Look().lost_parallelism_ns, 0);
  // One waits, both idle.
  Pass(100);
  for (CoreTimes& times : *core_times_) times.idle_ns += 100 * kNsPerMs;
  Count(1);
  EXPECT_EQ(Look().lost_parallelism_ns, 100 * kNsPerMs);
  // Many wait, one idles for a while; whoever looks in between changes nothing.
  Pass(50);
  (*core_times_)[0].idle_ns += 30 * kNsPerMs;
  Look();
  Pass(50);
  Count(9);
  EXPECT_EQ(Look().lost_parallelism_ns, 130 * kNsPerMs);
  // Nobody waits.
  Pass(100);
  (*core_times_)[0].idle_ns += 100 * kNsPerMs;
  Count(0);
  EXPECT_EQ(Look().lost_parallelism_ns, 130 * kNsPerMs);
}

TEST_F(CoreMeterTest, WithoutALockMeterNobodyKnowsWhoWaits) {
  Count(std::nullopt);
  Pass(100);
  Count(std::nullopt);
  EXPECT_FALSE(Look().cores.empty());
  EXPECT_FALSE(Look().lost_parallelism_ns.has_value());
}

TEST(ProcessTimeTest, IsTheProcesssWithAllItsThreads) {
  const int64_t before_ns = ProcessTimeNs(getpid());
  EXPECT_GT(before_ns, 0);
  while (ClockNs(CLOCK_PROCESS_CPUTIME_ID) < before_ns + 20 * kNsPerMs) {
  }
  EXPECT_GE(ProcessTimeNs(getpid()), before_ns + 20 * kNsPerMs);
  const pid_t child = fork();
  if (child == 0) _exit(0);
  ASSERT_EQ(waitpid(child, nullptr, 0), child);
  EXPECT_EQ(ProcessTimeNs(child), 0);
}

}  // namespace
}  // namespace gild
