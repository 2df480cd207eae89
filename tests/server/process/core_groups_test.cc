#include "server/process/core_groups.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "server/base/cgroup.h"
#include "server/base/cores.h"

namespace gild {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

constexpr char kMounts[] =
    "23 1 254:0 / / rw,relatime - ext4 /dev/root rw\n"
    "31 23 0:28 / /sys/fs/cgroup rw,relatime shared:9 - tmpfs tmpfs rw,mode=755\n"
    "32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu\n"
    "33 31 0:30 / /sys/fs/cgroup/cpuacct rw,relatime shared:12 master:3 - cgroup cgroup rw,cpuacct\n"
    "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n";

std::string FolderOrError(const std::string& mounts, const std::string& cgroup) {
  const absl::StatusOr<std::string> folder = CpuacctFolder(mounts, cgroup);
  return folder.ok() ? *folder : std::string(folder.status().message());
}

TEST(CpuacctFolderTest, IsTheMountPointAndTheGroupOfTheProcess) {
  EXPECT_EQ(FolderOrError(kMounts, "3:memory:/m\n2:cpuacct:/\n0::/\n"), "/sys/fs/cgroup/cpuacct");
  EXPECT_EQ(FolderOrError(kMounts, "2:cpuacct:/system.slice/gild:1.service\n"),
            "/sys/fs/cgroup/cpuacct/system.slice/gild:1.service");
}

TEST(CpuacctFolderTest, AMountOfAPartOfTheHierarchyShowsThatPart) {
  const std::string mounts = "33 31 0:30 /docker/abc /acct rw - cgroup cgroup rw,cpuacct\n";
  EXPECT_EQ(FolderOrError(mounts, "2:cpuacct:/docker/abc\n"), "/acct");
  EXPECT_EQ(FolderOrError(mounts, "2:cpuacct:/docker/abc/inner\n"), "/acct/inner");
  for (const char* elsewhere : {"/docker", "/docker/abcd", "/"}) {
    EXPECT_THAT(FolderOrError(mounts, std::string("2:cpuacct:") + elsewhere + "\n"),
                HasSubstr("not in what is mounted"));
  }
}

TEST(CpuacctFolderTest, WhatIsNotThereIsSaid) {
  for (const char* mounts : {"", "garbage\n", " - cgroup\n", "a - b - cgroup cgroup rw,cpuacct\n",
                             "41 31 0:38 / /sys/fs/cgroup rw,relatime - cgroup2 cgroup2 rw\n"}) {
    EXPECT_THAT(FolderOrError(mounts, "0::/\n"), HasSubstr("is not mounted"));
  }
  for (const char* cgroup : {"", "0::/\n", "2:cpuacct\n", "2:cpuacct:relative\n"}) {
    EXPECT_THAT(FolderOrError(kMounts, cgroup), HasSubstr("not in what is mounted")) << cgroup;
  }
}

TEST(CpuacctFolderTest, GroupsThatWouldAlsoShareOutTheCoresAreNotMade) {
  EXPECT_THAT(
      FolderOrError("33 31 0:30 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n", "4:cpu,cpuacct:/\n"),
      HasSubstr("mounted together with cpu"));
}

TEST(ParseUsagePerCpuTest, OneNumberACore) {
  const auto usage = ParseUsagePerCpu("11 22 33 \n", {0, 2});
  ASSERT_TRUE(usage.ok()) << usage.status();
  EXPECT_THAT(*usage, ElementsAre(Pair(0, 11), Pair(2, 33)));
}

TEST(ParseUsagePerCpuTest, GarbageIsNotTakenForZero) {
  for (const char* text : {"", "\n", "11 22", "11 22 x", "11 22 -3", "11 22 99999999999999999999"}) {
    const auto usage = ParseUsagePerCpu(text, {0, 1, 2});
    ASSERT_FALSE(usage.ok()) << text;
    EXPECT_THAT(std::string(usage.status().message()), HasSubstr("says nothing of core ")) << text;
  }
}

TEST(RemoveAbandonedCoreGroupsTest, GoesOnlyAfterWhatAServerMakesAndNobodyIsIn) {
  std::string outer = testing::TempDir() + "gild-groups-XXXXXX";
  ASSERT_NE(mkdtemp(outer.data()), nullptr);
  for (const char* folder :
       {"/gild-server-dead01", "/gild-server-dead01/server", "/gild-server-dead01/io", "/gild-server-dead01/cpu",
        "/gild-server-half02", "/gild-server-half02/cpu", "/gild-server-live03", "/gild-server-live03/server",
        "/gild-server-live03/io", "/gild-server-live03/cpu", "/gild-batch"}) {
    ASSERT_EQ(mkdir((outer + folder).c_str(), 0700), 0) << folder;
  }
  // A file stands for a process: either keeps a folder from being removed.
  std::ofstream(outer + "/gild-server-live03/server/process") << "1";
  RemoveAbandonedCoreGroups(outer);
  RemoveAbandonedCoreGroups(outer + "/nonexistent");
  std::vector<std::string> left;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(outer)) {
    if (entry.is_directory()) left.push_back(entry.path().string().substr(outer.size()));
  }
  EXPECT_THAT(left, testing::UnorderedElementsAre("/gild-batch", "/gild-server-live03", "/gild-server-live03/server",
                                                  "/gild-server-live03/io", "/gild-server-live03/cpu"));
  std::filesystem::remove_all(outer);
}

// With the kernel's own groups, where this process may make some.
class CoreGroupsTest : public testing::Test {
 protected:
  static std::string GroupOfThisProcess() {
    std::ifstream file("/proc/self/cgroup");
    for (std::string line; std::getline(file, line);) {
      if (line.find(":cpuacct:") != std::string::npos) return line.substr(line.find('/'));
    }
    return "";
  }
  // Uses some processor time in a child that joined the group.
  static void SpinInGroup(const std::string& folder) {
    const pid_t child = fork();
    if (child == 0) {
      if (!JoinCgroup(folder).ok()) _exit(1);
      while (ClockNs(CLOCK_PROCESS_CPUTIME_ID) < 50 * kNsPerMs) {
      }
      _exit(0);
    }
    int status;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_EQ(status, 0);
  }
  static int64_t SumOf(const std::map<int, OwnTime>& times, int64_t OwnTime::*part) {
    int64_t sum = 0;
    for (const auto& [core, time] : times) sum += time.*part;
    return sum;
  }

  const std::string outside_ = GroupOfThisProcess();
  absl::StatusOr<std::unique_ptr<CoreGroups>> made_ = CoreGroups::Make();
};

TEST_F(CoreGroupsTest, CountWhatWasUsedInThemAndLeaveNothingBehind) {
  if (!made_.ok()) GTEST_SKIP() << made_.status();
  const std::string inside = GroupOfThisProcess();
  EXPECT_THAT(inside, testing::StartsWith(outside_));
  EXPECT_THAT(inside, testing::EndsWith("/server"));
  const std::string folder = (*made_)->folder(LaneKind::kIo);
  SpinInGroup((*made_)->folder(LaneKind::kIo));
  SpinInGroup((*made_)->folder(LaneKind::kCpu));
  SpinInGroup((*made_)->folder(LaneKind::kCpu));
  const auto times = (*made_)->Read(AllowedCores());
  ASSERT_TRUE(times.ok()) << times.status();
  // A child joins after it was born and ends in its group: a little of its time is the server's.
  EXPECT_NEAR(SumOf(*times, &OwnTime::io_ns), 50 * kNsPerMs, 5 * kNsPerMs);
  EXPECT_NEAR(SumOf(*times, &OwnTime::cpu_ns), 100 * kNsPerMs, 10 * kNsPerMs);
  EXPECT_GT(SumOf(*times, &OwnTime::server_ns), 0);
  *made_ = nullptr;
  EXPECT_FALSE(std::filesystem::exists(std::filesystem::path(folder).parent_path())) << folder;
  EXPECT_EQ(GroupOfThisProcess(), outside_);
}

TEST_F(CoreGroupsTest, TheNextServerRemovesThoseOfOneThatWasKilledAndNotThoseOfOneThatLives) {
  if (!made_.ok()) GTEST_SKIP() << made_.status();
  const std::filesystem::path ours = std::filesystem::path((*made_)->folder(LaneKind::kIo)).parent_path();
  // Beneath the group in which this process is now.
  const pid_t child = fork();
  if (child == 0) {
    auto made = CoreGroups::Make();
    kill(getpid(), SIGKILL);
  }
  int status;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  auto next = CoreGroups::Make();
  ASSERT_TRUE(next.ok()) << next.status();
  int groups = 0;
  for (const auto& entry : std::filesystem::directory_iterator(ours / "server")) groups += entry.is_directory();
  EXPECT_EQ(groups, 1);
  EXPECT_TRUE(std::filesystem::exists(ours));
}

}  // namespace
}  // namespace gild
