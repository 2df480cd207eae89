#include "server/process/is_dead.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "server/base/files.h"

namespace gild {
namespace {

TEST(IsDeadTest, AZombieIsAndAProcessIsNot) {
  EXPECT_FALSE(IsDead(getpid()));
  const pid_t child = fork();
  if (child == 0) _exit(0);
  siginfo_t ended;
  ASSERT_EQ(waitid(P_PID, child, &ended, WEXITED | WNOWAIT), 0);
  EXPECT_TRUE(IsDead(child));
  ASSERT_EQ(waitpid(child, nullptr, 0), child);
  EXPECT_TRUE(IsDead(child));
}

TEST(IsDeadTest, OneWhoseFirstThreadAloneHasEndedIsNot) {
  const pid_t child = fork();
  if (child == 0) {
    std::thread(pause).detach();
    syscall(SYS_exit, 0);  // of the thread
  }
  const std::string stat = absl::StrCat("/proc/", child, "/stat");
  while (!absl::StrContains(*ReadFile(stat), ") Z ")) std::this_thread::yield();
  EXPECT_FALSE(IsDead(child));
  ASSERT_EQ(kill(child, SIGKILL), 0);
  siginfo_t ended;
  ASSERT_EQ(waitid(P_PID, child, &ended, WEXITED | WNOWAIT), 0);
  EXPECT_TRUE(IsDead(child));
  ASSERT_EQ(waitpid(child, nullptr, 0), child);
}

}  // namespace
}  // namespace gild
