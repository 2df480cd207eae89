// Against a tree of plain files, as either version of control groups would have it, and against the machine's own where
// there is one.
#include "server/process/slot_groups.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>

#include "absl/strings/str_cat.h"
#include "server/base/cgroup.h"
#include "server/base/files.h"

namespace gild {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Key;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

namespace fs = std::filesystem;

constexpr char kNoSwaps[] = "Filename Type Size Used Priority\n";
constexpr char kOneSwap[] = "Filename Type Size Used Priority\n/dev/sda2 partition 1048572 0 -2\n";

class FakeTreeTest : public ::testing::Test {
 protected:
  FakeTreeTest() { root_ = mkdtemp(folder_); }
  ~FakeTreeTest() override { fs::remove_all(root_); }

  // A hierarchy is a folder; its line in mountinfo, and this process's in cgroup.
  void Mount(const std::string& name, const std::string& kind, const std::string& controllers) {
    fs::create_directories(root_ / name / "own");
    absl::StrAppend(&mountinfo_, "1 1 0:1 / ", (root_ / name).string(), " rw - ", kind, " ", kind, " rw,", controllers,
                    "\n");
    absl::StrAppend(&cgroup_, kind == "cgroup2" ? "0:" : "3:", controllers, ":/own\n");
  }
  std::unique_ptr<SlotGroups> Make() { return SlotGroups::Make(mountinfo_, cgroup_, kNoSwaps); }

  // As the kernel fills a new group of version 2, or of any of version 1.
  static void Fill(const fs::path& folder) {
    for (const auto& [name, text] :
         std::map<std::string, std::string>{{"cgroup.procs", ""},
                                            {"cgroup.subtree_control", ""},
                                            {"cgroup.kill", ""},
                                            {"memory.max", "max"},
                                            {"memory.swap.max", "max"},
                                            {"memory.events", "low 0\noom 4\noom_kill 3\n"},
                                            {"memory.peak", "4096\n"},
                                            {"pids.max", "max"},
                                            {"pids.events", "max 7\n"},
                                            {"pids.current", "3\n"},
                                            {"memory.current", "1000\n"},
                                            {"memory.usage_in_bytes", "2000\n"},
                                            {"cpu.weight", "100"},
                                            {"memory.limit_in_bytes", ""},
                                            {"memory.memsw.limit_in_bytes", ""},
                                            {"memory.oom_control", "under_oom 0\noom_kill 5\n"},
                                            {"memory.max_usage_in_bytes", "8192\n"},
                                            {"cpu.shares", "1024"}}) {
      std::ofstream(folder / name) << text;
    }
  }
  static std::string TextOf(const fs::path& path) { return ReadFile(path).value_or(""); }
  std::unique_ptr<SlotGroups> MakeFilled(const std::string& swaps = kNoSwaps, SlotGroups::OnMade fill = Fill) {
    for (const auto& entry : fs::directory_iterator(root_)) Fill(entry.path() / "own");
    return SlotGroups::Make(mountinfo_, cgroup_, swaps, std::move(fill));
  }

  // The only one of ours in a hierarchy.
  fs::path Ours(const std::string& name) {
    for (const auto& entry : fs::directory_iterator(root_ / name / "own")) {
      if (entry.is_directory()) return entry.path();
    }
    return {};
  }

  char folder_[32] = "/tmp/groups-XXXXXX";
  fs::path root_;
  std::string mountinfo_;
  std::string cgroup_;
};

TEST_F(FakeTreeTest, Version1HasATreeForEachLimitAndVersion2BesideItForTheKill) {
  Mount("memory", "cgroup", "memory");
  Mount("pids", "cgroup", "pids");
  Mount("cpu", "cgroup", "cpu");
  Mount("unified", "cgroup2", "");
  const std::unique_ptr<SlotGroups> groups = Make();
  EXPECT_THAT(groups->missing(), IsEmpty());
  for (const char* const name : {"memory", "pids", "cpu", "unified"}) {
    EXPECT_THAT(Ours(name).filename().string(), HasSubstr("gild-slots-")) << name;
  }
}

TEST_F(FakeTreeTest, WhatIsNotMountedIsMissingAndSaysSo) {
  Mount("memory", "cgroup", "memory");
  const std::unique_ptr<SlotGroups> groups = Make();
  EXPECT_THAT(groups->missing(), UnorderedElementsAre(Pair(Layer::kPidsGroup, "cgroup v1's pids is not mounted"),
                                                      Pair(Layer::kCpuGroup, "cgroup v1's cpu is not mounted"),
                                                      Pair(Layer::kKillGroup, "cgroup v2 is not mounted")));
}

TEST_F(FakeTreeTest, Version2WithoutTheRightToDelegateIsMissing) {
  // No cgroup.procs, no cgroup.subtree_control: as if they could not be written.
  Mount("unified", "cgroup2", "");
  const std::unique_ptr<SlotGroups> groups = Make();
  EXPECT_THAT(groups->missing(),
              UnorderedElementsAre(Key(Layer::kMemoryGroup), Key(Layer::kPidsGroup), Key(Layer::kCpuGroup)));
  EXPECT_THAT(groups->missing().at(Layer::kMemoryGroup), HasSubstr("cgroup.procs"));
}

TEST_F(FakeTreeTest, Version2LimitsAndCountsInOneTree) {
  Mount("unified", "cgroup2", "");
  const std::unique_ptr<SlotGroups> groups = MakeFilled();
  EXPECT_THAT(groups->missing(), IsEmpty());
  EXPECT_EQ(TextOf(root_ / "unified/own/cgroup.subtree_control"), "+memory +pids +cpu");
  EXPECT_EQ(TextOf(Ours("unified") / "cgroup.subtree_control"), "+memory +pids +cpu");
  EXPECT_EQ(TextOf(Ours("unified") / "server/cgroup.procs"), "0") << "no processes where limits are";

  const auto group = groups->MakeSlot("cpu-0", {.memory_bytes = 1 << 20, .pids = 9, .background = true});
  ASSERT_TRUE(group.ok()) << group.status();
  const fs::path folder = Ours("unified") / "cpu-0";
  for (const Layer layer : {Layer::kMemoryGroup, Layer::kPidsGroup, Layer::kCpuGroup, Layer::kKillGroup}) {
    EXPECT_EQ((*group)->folders().at(layer), folder.string());
  }
  EXPECT_EQ(TextOf(folder / "memory.max"), "1048576");
  EXPECT_THAT(TextOf(folder / "memory.swap.max"), ::testing::StartsWith("0"));
  EXPECT_THAT(TextOf(folder / "pids.max"), ::testing::StartsWith("9"));
  EXPECT_THAT(TextOf(folder / "cpu.weight"), ::testing::StartsWith("1"));
  EXPECT_EQ((*group)->OomKills(), 3u);
  EXPECT_EQ((*group)->PidsRefused(), 7u);
  EXPECT_EQ((*group)->PeakMemoryBytes(), 4096);
  EXPECT_TRUE((*group)->Kill());
  EXPECT_EQ(TextOf(folder / "cgroup.kill"), "1");
}

TEST_F(FakeTreeTest, Version1LimitsAndCountsInATreeForEach) {
  for (const char* const controller : {"memory", "pids", "cpu"}) Mount(controller, "cgroup", controller);
  const std::unique_ptr<SlotGroups> groups = MakeFilled();
  const auto group = groups->MakeSlot("io-0", {.memory_bytes = 1 << 20, .pids = 9, .background = false});
  ASSERT_TRUE(group.ok()) << group.status();
  EXPECT_EQ(TextOf(Ours("memory") / "io-0/memory.limit_in_bytes"), "1048576");
  EXPECT_EQ(TextOf(Ours("memory") / "io-0/memory.memsw.limit_in_bytes"), "1048576") << "no swap beside it";
  EXPECT_THAT(TextOf(Ours("pids") / "io-0/pids.max"), ::testing::StartsWith("9"));
  EXPECT_EQ(TextOf(Ours("cpu") / "io-0/cpu.shares"), "1024") << "as it was";
  EXPECT_EQ((*group)->OomKills(), 5u);
  EXPECT_EQ((*group)->PeakMemoryBytes(), 8192);
  EXPECT_FALSE((*group)->Kill()) << "there is no cgroup v2";
  EXPECT_FALSE((*group)->Populated()) << "nobody knows";
}

TEST_F(FakeTreeTest, AMemoryGroupWithoutALimitOnSwapIsMissingWhereThereIsSwap) {
  for (const char* const file : {"memory.swap.max", "memory.memsw.limit_in_bytes"}) {
    SCOPED_TRACE(file);
    const bool version_2 = std::string(file) == "memory.swap.max";
    mountinfo_.clear();
    cgroup_.clear();
    Mount(version_2 ? "unified" : "memory", version_2 ? "cgroup2" : "cgroup", version_2 ? "" : "memory");
    // The kernel does not count swap.
    const auto uncounted = [file](const fs::path& folder) {
      Fill(folder);
      fs::remove(folder / file);
    };
    // It does, and lets nobody limit it.
    const auto closed = [&uncounted, file](const fs::path& folder) {
      uncounted(folder);
      fs::create_directory(folder / file);
    };
    const auto missing_of = [this](const std::string& swaps, const SlotGroups::OnMade& fill) {
      const std::unique_ptr<SlotGroups> groups = MakeFilled(swaps, fill);
      const auto group = groups->MakeSlot("cpu-0", {.memory_bytes = 1 << 20, .pids = 9});
      EXPECT_TRUE(group.ok() && (*group)->folders().contains(Layer::kMemoryGroup)) << group.status();
      return group.ok() ? (*group)->missing() : std::map<Layer, std::string>();
    };
    EXPECT_THAT(missing_of(kOneSwap, Fill), IsEmpty());
    EXPECT_THAT(missing_of(kNoSwaps, uncounted), IsEmpty());
    EXPECT_THAT(missing_of(kOneSwap, uncounted), ElementsAre(Pair(Layer::kMemoryGroup, HasSubstr(file))));
    EXPECT_THAT(missing_of(kNoSwaps, closed), ElementsAre(Pair(Layer::kMemoryGroup, HasSubstr("swap is not limited"))))
        << "swap may be turned on";
  }
}

TEST_F(FakeTreeTest, ATasksLimitsAreBeyondWhatIsThereAndWithinTheSlots) {
  Mount("unified", "cgroup2", "");
  const std::unique_ptr<SlotGroups> groups = MakeFilled();
  const auto group = groups->MakeSlot("cpu-0", {.memory_bytes = 9'000'000, .pids = 9});
  ASSERT_TRUE(group.ok()) << group.status();
  const fs::path folder = Ours("unified") / "cpu-0";
  // Files of the test's own keep what was longer before.
  const auto number = [&](const char* file) { return std::stoll(TextOf(folder / file)); };
  (*group)->BeginInterpreter(1);
  ASSERT_TRUE((*group)->Narrow(1, 2, 4'000'000).ok());
  EXPECT_EQ(number("pids.max"), 5);
  EXPECT_EQ(number("memory.max"), 4'001'000);
  (*group)->Widen(1);
  EXPECT_EQ(number("pids.max"), 9);
  EXPECT_EQ(number("memory.max"), 9'000'000);
  ASSERT_TRUE((*group)->Narrow(1, 8, 8'999'999).ok());
  EXPECT_EQ(number("pids.max"), 9);
  EXPECT_EQ(number("memory.max"), 9'000'000);
  ASSERT_TRUE((*group)->Narrow(1, 0, 1'000'000).ok());
  EXPECT_EQ(number("pids.max"), 9) << "nothing is said of them";
  std::ofstream(folder / "pids.current") << "0\n";
  EXPECT_THAT((*group)->Narrow(1, 1, 0).message(), HasSubstr("pids-group")) << "nobody is in it";
  (*group)->BeginInterpreter(2);
  EXPECT_EQ(number("memory.max"), 9'000'000);
  EXPECT_FALSE((*group)->Narrow(1, 0, 1'000'000).ok()) << "its interpreter is gone";
  EXPECT_EQ(number("memory.max"), 9'000'000);
}

TEST_F(FakeTreeTest, AnotherServersFolderIsRemovedOnlyWhenItIsGone) {
  Mount("unified", "cgroup2", "");
  const fs::path gone = root_ / "unified/own/gild-slots-gone";
  fs::create_directories(gone / "cpu-0");
  fs::create_directories(root_ / "unified/own/other");
  const std::unique_ptr<SlotGroups> lives = Make();
  EXPECT_FALSE(fs::exists(gone));
  EXPECT_TRUE(fs::exists(root_ / "unified/own/other"));
  fs::remove(root_ / "unified/own/other");
  const fs::path of_the_living = Ours("unified");
  const std::unique_ptr<SlotGroups> second = Make();
  EXPECT_TRUE(fs::exists(of_the_living));
}

TEST(GroupFolderTest, Version2HasALineOfItsOwn) {
  constexpr char kMounts[] = "41 31 0:38 / /sys/fs/cgroup rw,relatime - cgroup2 cgroup2 rw\n";
  EXPECT_EQ(*GroupFolder(kMounts, "0::/user.slice\n", ""), "/sys/fs/cgroup/user.slice");
  EXPECT_FALSE(GroupFolder(kMounts, "0::/user.slice\n", "memory").ok());
  EXPECT_FALSE(GroupFolder(kMounts, "3:memory:/\n", "").ok());
}

// ---- the machine's own ----

class RealGroupsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    groups_ = SlotGroups::Make();
    if (groups_->missing().contains(Layer::kMemoryGroup)) {
      GTEST_SKIP() << "no control groups can be made here: " << groups_->missing().at(Layer::kMemoryGroup);
    }
    absl::StatusOr<std::unique_ptr<SlotGroup>> group =
        groups_->MakeSlot("test-0", {.memory_bytes = 32 << 20, .pids = 4, .background = true});
    ASSERT_TRUE(group.ok()) << group.status();
    group_ = *std::move(group);
  }

  // In the group; its wait status.
  int Inside(const std::function<int()>& what) {
    const pid_t child = fork();
    if (child == 0) {
      for (const auto& [layer, folder] : group_->folders()) {
        if (!JoinCgroup(folder).ok()) _exit(99);
      }
      _exit(what());
    }
    int status = 0;
    EXPECT_EQ(waitpid(child, &status, 0), child);
    return status;
  }

  std::unique_ptr<SlotGroups> groups_;
  std::unique_ptr<SlotGroup> group_;
};

TEST_F(RealGroupsTest, WhoTakesTooMuchMemoryIsKilledAndCounted) {
  EXPECT_EQ(group_->OomKills(), 0u);
  EXPECT_EQ(Inside([] {
              std::string hoard(64 << 20, 'x');
              return hoard[5] == 'x' ? 0 : 1;
            }),
            SIGKILL);
  EXPECT_EQ(group_->OomKills(), 1u);
  EXPECT_GT(group_->PeakMemoryBytes().value_or(0), 30 << 20);
  ASSERT_TRUE(group_->LimitMemory(128 << 20).ok());
  EXPECT_EQ(Inside([] {
              std::string hoard(64 << 20, 'x');
              return hoard[5] == 'x' ? 0 : 1;
            }),
            0);
  EXPECT_EQ(group_->OomKills(), 1u);
}

TEST_F(RealGroupsTest, WhoStartsTooManyIsRefusedAndCounted) {
#ifdef GILD_THREAD_SANITIZER
  GTEST_SKIP() << "it gives each of them a thread";
#endif
  const int status = Inside([] {
    int started = 1;  // itself
    for (int i = 0; i < 10; ++i) {
      const pid_t child = fork();
      if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        while (getppid() > 1) pause();
        _exit(0);
      }
      if (child > 0) ++started;
    }
    return started;
  });
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 4);
  EXPECT_EQ(group_->PidsRefused(), 7u);
}

TEST_F(RealGroupsTest, AKillEndsWhoeverIsInIt) {
  if (groups_->missing().contains(Layer::kKillGroup)) GTEST_SKIP() << "no cgroup v2";
  int ready[2];
  ASSERT_EQ(pipe(ready), 0);
  const pid_t child = fork();
  if (child == 0) {
    for (const auto& [layer, folder] : group_->folders()) {
      if (!JoinCgroup(folder).ok()) _exit(99);
    }
    signal(SIGTERM, SIG_IGN);
    if (fork() == 0) setsid();
    close(ready[0]);
    (void)!write(ready[1], "x", 1);
    while (true) pause();
  }
  close(ready[1]);
  char byte;
  ASSERT_EQ(read(ready[0], &byte, 1), 1);
  EXPECT_TRUE(group_->Populated());
  EXPECT_TRUE(group_->Kill());
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, SIGKILL);
  // The other's end of the pipe as well.
  while (read(ready[0], &byte, 1) > 0) {
  }
  while (group_->Populated()) sched_yield();
  close(ready[0]);
}

}  // namespace
}  // namespace gild
