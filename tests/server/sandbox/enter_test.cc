// Each step is taken in a forked child, which reports what it then sees of itself.
#include "server/sandbox/enter.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <functional>
#include <string>

#include "absl/strings/str_cat.h"
#include "server/base/cores.h"
#include "server/base/files.h"
#include "server/base/unique_fd.h"
#include "server/sandbox/policy.h"
#include "tests/server/sandbox/in_child.h"

namespace gild {
namespace {

std::string TextOf(const char* path) { return ReadFile(path).value_or(""); }

bool InChildHolds(const std::function<bool()>& holds) {
  return InChild([&] { return std::string(holds() ? "" : "it does not hold"); }).empty();
}

TEST(EnterSlotTest, NoNewPrivilegesAndNotDumpable) {
  EXPECT_TRUE(InChildHolds([] {
    return EnterSlot({}).ok() && prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 && prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0;
  }));
}

TEST(EnterInterpreterTest, OnlyTheKeptDescriptorsStayOpen) {
  EXPECT_TRUE(InChildHolds([] {
    const int kept = open("/dev/zero", O_RDONLY);
    const int dropped = open("/dev/zero", O_RDONLY);
    const int also_kept = open("/dev/zero", O_RDONLY);
    if (!EnterInterpreter({.scratch = "/"}, {also_kept, kept}).ok()) return false;
    return fcntl(kept, F_GETFD) >= 0 && fcntl(also_kept, F_GETFD) >= 0 && fcntl(dropped, F_GETFD) < 0;
  }));
}

TEST(EnterInterpreterTest, StandardDescriptorsLeadNowhere) {
  EXPECT_TRUE(InChildHolds([] {
    if (!EnterInterpreter({.scratch = "/"}, {}).ok()) return false;
    for (const char* link : {"/proc/self/fd/0", "/proc/self/fd/1", "/proc/self/fd/2"}) {
      if (std::filesystem::read_symlink(link) != "/dev/null") return false;
    }
    return true;
  }));
}

TEST(EnterInterpreterTest, PlaceIsTaken) {
  EXPECT_TRUE(InChildHolds([] {
    const int core = AllowedCores().back();
    if (!EnterInterpreter({.scratch = "/tmp", .core = core, .nice = 7}, {}).ok()) return false;
    return std::filesystem::current_path() == "/tmp" && AllowedCores() == std::vector<int>{core} &&
           getpriority(PRIO_PROCESS, 0) == 7;
  }));
}

TEST(EnterInterpreterTest, EveryLimitOfThePolicyIsSet) {
  EXPECT_TRUE(InChildHolds([] {
    if (!EnterInterpreter({.scratch = "/"}, {}).ok()) return false;
    for (const ResourceLimit& limit : kInterpreterLimits) {
      rlimit now;
      getrlimit(static_cast<__rlimit_resource_t>(limit.resource), &now);
      if (now.rlim_cur > limit.value || now.rlim_max > limit.value) return false;
    }
    return true;
  }));
}

TEST(EnterInterpreterTest, AMissingScratchFolderIsNamed) {
  EXPECT_TRUE(InChildHolds([] {
    const absl::Status status = EnterInterpreter({.scratch = "/nowhere/at/all"}, {});
    return !status.ok() && status.message().find("/nowhere/at/all") != absl::string_view::npos;
  }));
}

// The kernel takes filters and rules from nobody else who has no capabilities.
std::string SealWithAndWithoutNoNewPrivileges(Layer left_out, const std::string& refused) {
  return InChild([&]() -> std::string {
    const absl::StatusOr<SyscallFilter> filter = SyscallFilter::Make({});
    const InterpreterWalls walls{.scratch = "/tmp", .filter = &filter, .without = {Layer::kOomScore, left_out}};
    const absl::Status sealed = SealInterpreter(walls).status();
    if (sealed.message().find(refused) == absl::string_view::npos) return absl::StrCat("without: ", sealed.message());
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    return std::string(SealInterpreter(walls).status().message());
  });
}

TEST(SealInterpreterTest, WithoutNoNewPrivilegesThereIsNeitherFilterNorRuleset) {
  if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 0) GTEST_SKIP() << "they are set already";
  EXPECT_EQ(SealWithAndWithoutNoNewPrivileges(Layer::kLandlock, "install the system call filter"), "");
  if (!LandlockRules::Make({}, {}, "/tmp").ok()) GTEST_SKIP() << "no Landlock here";
  EXPECT_EQ(SealWithAndWithoutNoNewPrivileges(Layer::kSeccomp, "landlock: restrict"), "");
}

TEST(NewPidNamespaceTest, TheNextForkIsProcessOneAndItCanBeDoneAgain) {
  if (!NewPidNamespace().entered()) GTEST_SKIP() << "this kernel does not let us make a pid namespace";
  for (int round = 0; round < 2; ++round) {
    pid_t child;
    {
      const NewPidNamespace name_space;
      ASSERT_TRUE(name_space.entered());
      child = fork();
      if (child == 0) _exit(getpid() == 1 ? 0 : 1);
    }
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
  }
  // And the next one is ours again.
  EXPECT_TRUE(InChildHolds([] { return getpid() != 1; }));
}

// A process of its own namespace with children and grandchildren, some of which ignore a polite request.
bool KillsThemAll(bool own_pid_namespace) {
  int alive[2];
  if (pipe(alive) != 0) return false;
  for (int i = 0; i < 3; ++i) {
    if (fork() == 0) {
      signal(SIGTERM, SIG_IGN);
      if (fork() == 0) setsid();
      while (true) pause();
    }
  }
  close(alive[1]);
  KillAllAndReap(own_pid_namespace);
  // End of file: nobody holds the writing end any more.
  char byte;
  return read(alive[0], &byte, 1) == 0 && waitpid(-1, nullptr, 0) < 0;
}

TEST(KillAllAndReapTest, LeavesNobodyInAPidNamespace) {
  pid_t child;
  {
    const NewPidNamespace name_space;
    if (!name_space.entered()) GTEST_SKIP() << "this kernel does not let us make a pid namespace";
    child = fork();
    if (child == 0) _exit(KillsThemAll(true) ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

TEST(KillAllAndReapTest, WithoutANamespaceItFindsItsDescendants) {
  EXPECT_TRUE(InChildHolds([] {
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    return KillsThemAll(false);
  }));
}

// What it says of a layer must be so.
TEST(SealInterpreterTest, WhatTheProbeFoundIsInForce) {
  absl::StatusOr<SyscallFilter> filter = SyscallFilter::Make({});
  ASSERT_TRUE(filter.ok()) << filter.status();
  InterpreterWalls walls{.scratch = "/tmp", .filter = &filter};
  const Isolation isolation = ProbeInterpreterLayers(walls);
  for (const MissingLayer& missing : isolation.missing) walls.without.push_back(missing.layer);
  EXPECT_EQ(
      InChild([&]() -> std::string {
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        const absl::StatusOr<UniqueFd> listener = SealInterpreter(walls);
        if (!listener.ok()) return std::string(listener.status().message());
        std::string wrong;
        if (isolation.Has(Layer::kOomScore) && TextOf("/proc/self/oom_score_adj") != "1000\n") wrong += "score ";
        if (isolation.Has(Layer::kNoCapabilities) &&
            TextOf("/proc/self/status").find("CapEff:\t0000000000000000") == std::string::npos) {
          wrong += "capabilities ";
        }
        if (isolation.Has(Layer::kSeccomp) && TextOf("/proc/self/status").find("Seccomp:\t2") == std::string::npos) {
          wrong += "seccomp ";
        }
        if (isolation.Has(Layer::kLandlock) && !TextOf("/etc/hostname").empty()) wrong += "landlock ";
        return wrong;
      }),
      "");
}

TEST(SealInterpreterTest, WithoutTheFilterThatIsInForceThereIsNoInterpreter) {
  InterpreterWalls walls{.scratch = "/tmp"};
  walls.without = {Layer::kOomScore, Layer::kNoCapabilities, Layer::kLandlock};
  EXPECT_EQ(SealInterpreter(walls).status().message(), "system call filter: there is none");
  const absl::StatusOr<SyscallFilter> failed = absl::InternalError("system call filter: export: no room");
  walls.filter = &failed;
  EXPECT_EQ(SealInterpreter(walls).status(), failed.status());
  EXPECT_EQ(CheckFilter(walls), failed.status());
  walls.without.push_back(Layer::kSeccomp);
  EXPECT_TRUE(CheckFilter(walls).ok());
}

TEST(SealInterpreterTest, WhatIsSwitchedOffIsNotTried) {
  InterpreterWalls walls{.scratch = "/tmp"};
  walls.without = {Layer::kOomScore, Layer::kNoCapabilities, Layer::kLandlock, Layer::kSeccomp};
  const Isolation isolation = ProbeInterpreterLayers(walls);
  EXPECT_EQ(isolation.missing.size(), 4u);
  for (const MissingLayer& missing : isolation.missing) EXPECT_EQ(missing.why, "switched off");
  EXPECT_EQ(InChild([&]() -> std::string {
              const std::string before = TextOf("/proc/self/status");
              const bool sealed = SealInterpreter(walls).ok();
              return sealed && TextOf("/proc/self/status").find("Seccomp:\t0") != std::string::npos ? "" : "changed";
            }),
            "");
}

}  // namespace
}  // namespace gild
