// Whose the cores' time was, against what the kernel says of the processes themselves.
#include <sched.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "tests/testing/server_fixture.h"

namespace gild::testing {
namespace {

constexpr double kBurnSeconds = 1;

class CoresTest : public ServerFixture {
 protected:
  void StartExactServer() {
    StartSmallServer();
    // Only as root on cgroup v1; elsewhere the estimate has its own test beside the meter.
    if (!GetInfo().core_split_exact()) GTEST_SKIP() << GetInfo().core_split_detail();
  }
  // What the lane's one interpreter has used, by getrusage.
  double Rusage(v1::Tag tag) { return std::stod(Run(Call(tag, "burns.py", "used")).result().json()); }
  // From `before` to `after`, of all cores.
  using Part = const google::protobuf::Duration& (v1::CoreStats::*)() const;
  static double Between(const v1::Stats& before, const v1::Stats& after, Part part) {
    double seconds = 0;
    for (const v1::CoreStats& core : after.cores()) seconds += Seconds((core.*part)());
    for (const v1::CoreStats& core : before.cores()) seconds -= Seconds((core.*part)());
    return seconds;
  }
  static std::string GroupOf(int pid) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/cgroup");
    for (std::string line; std::getline(file, line);) {
      if (const size_t at = line.find(":cpuacct:"); at != std::string::npos) return line.substr(at + 9);
    }
    return "";
  }
  // Of the whole hierarchy, as it is where groups can be made from its root.
  static std::string CpuacctMount() {
    std::ifstream file("/proc/self/mountinfo");
    for (std::string line; std::getline(file, line);) {
      std::istringstream words(line);
      std::string id, parent, device, root, mount_point;
      words >> id >> parent >> device >> root >> mount_point;
      if (line.find(" - cgroup ") != std::string::npos && line.find("cpuacct") != std::string::npos) return mount_point;
    }
    return "";
  }
};

TEST_F(CoresTest, TheLanesCoreSecondsAreTheirRusageAndTheSplitAddsUp) {
  StartExactServer();
  if (IsSkipped()) return;
  const std::map<v1::Tag, double> rusage_before = {{v1::IO, Rusage(v1::IO)}, {v1::CPU, Rusage(v1::CPU)}};
  const v1::Stats before = GetStats();
  {
    std::vector<std::unique_ptr<PendingRun>> runs;
    for (const v1::Tag tag : {v1::IO, v1::IO, v1::CPU}) {
      runs.push_back(RunLater(Call(tag, "burns.py", "burn", {Json(std::to_string(kBurnSeconds))})));
    }
    for (const auto& run : runs) EXPECT_EQ(run->outcome().ending(), v1::SUCCEEDED);
  }
  const v1::Stats after = GetStats();
  const double io = Between(before, after, &v1::CoreStats::io_lane);
  const double cpu = Between(before, after, &v1::CoreStats::cpu_lane);
  // The interpreters' own work is in both.
  const double io_rusage = Rusage(v1::IO) - rusage_before.at(v1::IO);
  const double cpu_rusage = Rusage(v1::CPU) - rusage_before.at(v1::CPU);
  EXPECT_GE(io_rusage, 2 * kBurnSeconds);
  EXPECT_GE(cpu_rusage, kBurnSeconds);
  EXPECT_NEAR(io, io_rusage, 0.02 * io_rusage);
  EXPECT_NEAR(cpu, cpu_rusage, 0.02 * cpu_rusage);
  EXPECT_GT(Between(before, after, &v1::CoreStats::server), 0);

  const double wall = Seconds(after.uptime()) - Seconds(before.uptime());
  double all = 0;
  for (const Part part : {&v1::CoreStats::io_lane, &v1::CoreStats::cpu_lane, &v1::CoreStats::server,
                          &v1::CoreStats::other, &v1::CoreStats::idle, &v1::CoreStats::steal}) {
    const double seconds = Between(before, after, part);
    EXPECT_GE(seconds, 0);
    all += seconds;
  }
  EXPECT_NEAR(all, wall * after.cores_size(), 0.01 * wall * after.cores_size());
}

TEST_F(CoresTest, WhatATaskForksCountsForItsLane) {
  StartExactServer();
  if (IsSkipped()) return;
  const v1::Stats before = GetStats();
  const v1::Outcome outcome = Run(WithProcesses(Call(v1::CPU, "burns.py", "burn_in_child", {Json("0.3")})));
  EXPECT_EQ(outcome.ending(), v1::SUCCEEDED);
  EXPECT_GE(Between(before, GetStats(), &v1::CoreStats::cpu_lane), 0.3);
}

TEST_F(CoresTest, ATaskThatWaitsForTheLockBesideAnIdleCoreIsLostParallelism) {
  StartSmallServer();
  ASSERT_TRUE(GetStats().has_lost_parallelism());
  // It sleeps in C with the lock, so that nothing of gild uses a core meanwhile.
  v1::Task hold = Call(v1::IO, "hangs.py", "hold_the_lock");
  *hold.mutable_limits()->mutable_wall() = Ms(600'000);
  std::unique_ptr<PendingRun> run = RunLater(hold);
  // For good: on its way there it lets go now and then.
  Eventually("it holds the lock", [&] {
    const v1::InterpreterStats slot = Slot("io-0");
    return slot.holder().task_name() == "hold_the_lock" && Seconds(slot.holder().held_for()) > 0.2;
  });
  std::unique_ptr<PendingRun> next = RunLater(Script(v1::IO, "pass"));
  const double lost = Seconds(GetStats().lost_parallelism());
  Eventually("parallelism is lost", [&] { return Seconds(GetStats().lost_parallelism()) > lost + 0.1; });
  const v1::Stats stats = GetStats();
  EXPECT_LE(Seconds(stats.lost_parallelism()), Between(v1::Stats(), stats, &v1::CoreStats::idle));
}

// Of the server's, by name; those that share their name with others count once.
std::set<std::string> ThreadsOnOneCore(int pid) {
  std::set<std::string> names;
  for (const auto& task : std::filesystem::directory_iterator("/proc/" + std::to_string(pid) + "/task")) {
    cpu_set_t cores;
    if (sched_getaffinity(std::stoi(task.path().filename()), sizeof cores, &cores) != 0) continue;
    std::string name;
    if (CPU_COUNT(&cores) == 1) std::getline(std::ifstream(task.path() / "comm"), name);
    if (!name.empty()) names.insert(name);
  }
  return names;
}

TEST_F(CoresTest, TheThreadsOfALoneTaskKeepToOneCoreWhileThereIsNoOther) {
  if (sysconf(_SC_NPROCESSORS_ONLN) < 2) GTEST_SKIP() << "one core alone";
  StartSmallServer();
  Eventually("they are bound", [&] {
    for (int i = 0; i < 30; ++i) Run(Script(v1::CPU, "pass"));
    const std::set<std::string> bound = ThreadsOnOneCore(pid());
    return bound.count("gild-poller") == 1 && bound.count("gild-rpc-0") == 1;
  });
  Eventually("the poller notices that none comes", [&] { return ThreadsOnOneCore(pid()).count("gild-poller") == 0; });
  Eventually("all are free", [&] {
    Run(Script(v1::IO, "pass"));
    return ThreadsOnOneCore(pid()).empty();
  });
}

TEST_F(CoresTest, AServersGroupsGoWithIt) {
  StartExactServer();
  if (IsSkipped()) return;
  const std::string mine = GroupOf(getpid());
  const std::string servers = GroupOf(pid());
  const std::string io = GroupOf(Slot("io-0").pid());
  EXPECT_EQ(servers.rfind(mine, 0), 0u) << servers;
  EXPECT_NE(io, servers);
  const std::string folder = std::filesystem::path(CpuacctMount() + servers).parent_path();
  EXPECT_TRUE(std::filesystem::exists(folder)) << folder;
  EXPECT_EQ(StopServer(), 0);
  EXPECT_FALSE(std::filesystem::exists(folder)) << folder;
}

}  // namespace
}  // namespace gild::testing
