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

#include "server/base/cores.h"
#include "server/base/unique_fd.h"
#include "server/sandbox/policy.h"

namespace gild {
namespace {

// The child's exit code: 0 when `holds` said so.
int InChild(const std::function<bool()>& holds) {
  const pid_t child = fork();
  if (child == 0) _exit(holds() ? 0 : 1);
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  return status;
}

TEST(EnterSlotInitTest, NoNewPrivilegesAndNotDumpable) {
  EXPECT_EQ(InChild([] {
              return EnterSlotInit().ok() && prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 &&
                     prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0;
            }),
            0);
}

TEST(EnterInterpreterTest, OnlyTheKeptDescriptorsStayOpen) {
  EXPECT_EQ(InChild([] {
              const int kept = open("/dev/zero", O_RDONLY);
              const int dropped = open("/dev/zero", O_RDONLY);
              const int also_kept = open("/dev/zero", O_RDONLY);
              if (!EnterInterpreter({.scratch = "/"}, {also_kept, kept}).ok()) return false;
              return fcntl(kept, F_GETFD) >= 0 && fcntl(also_kept, F_GETFD) >= 0 && fcntl(dropped, F_GETFD) < 0;
            }),
            0);
}

TEST(EnterInterpreterTest, StandardDescriptorsLeadNowhere) {
  EXPECT_EQ(InChild([] {
              if (!EnterInterpreter({.scratch = "/"}, {}).ok()) return false;
              for (const char* link : {"/proc/self/fd/0", "/proc/self/fd/1", "/proc/self/fd/2"}) {
                if (std::filesystem::read_symlink(link) != "/dev/null") return false;
              }
              return true;
            }),
            0);
}

TEST(EnterInterpreterTest, PlaceIsTaken) {
  EXPECT_EQ(InChild([] {
              const int core = AllowedCores().back();
              if (!EnterInterpreter({.scratch = "/tmp", .core = core, .nice = 7}, {}).ok()) return false;
              return std::filesystem::current_path() == "/tmp" && AllowedCores() == std::vector<int>{core} &&
                     getpriority(PRIO_PROCESS, 0) == 7;
            }),
            0);
}

TEST(EnterInterpreterTest, EveryLimitOfThePolicyIsSet) {
  EXPECT_EQ(InChild([] {
              if (!EnterInterpreter({.scratch = "/"}, {}).ok()) return false;
              for (const ResourceLimit& limit : kInterpreterLimits) {
                rlimit now;
                getrlimit(static_cast<__rlimit_resource_t>(limit.resource), &now);
                if (now.rlim_cur > limit.value || now.rlim_max > limit.value) return false;
              }
              return true;
            }),
            0);
}

TEST(EnterInterpreterTest, AMissingScratchFolderIsNamed) {
  EXPECT_EQ(InChild([] {
              const absl::Status status = EnterInterpreter({.scratch = "/nowhere/at/all"}, {});
              return !status.ok() && status.message().find("/nowhere/at/all") != absl::string_view::npos;
            }),
            0);
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
  EXPECT_EQ(InChild([] { return getpid() != 1; }), 0);
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
  EXPECT_EQ(InChild([] {
              prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
              return KillsThemAll(false);
            }),
            0);
}

}  // namespace
}  // namespace gild
