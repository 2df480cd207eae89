// Descriptors 0, 1 and 2, closed and displaced; in a process of its own, whose own ones they are.
#include "server/interpreter/standard_descriptors.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

namespace gild {
namespace {

ino_t LeadsTo(int descriptor) {
  struct stat status;
  return fstat(descriptor, &status) == 0 ? status.st_ino : 0;
}

// With /dev/null as all three of them; `look` says what failed, or 0.
int InChild(int (*look)(ino_t null)) {
  const pid_t child = fork();
  if (child == 0) {
    const int null = open("/dev/null", O_RDWR);
    for (int i = 0; i < 3; ++i) dup2(null, i);
    close(null);
    _exit(look(LeadsTo(0)));
  }
  int status;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(StandardDescriptorsTest, WhatIsClosedIsOpenAgain) {
  EXPECT_EQ(InChild([](ino_t null) {
              const StandardDescriptors descriptors;
              close(0);
              close(2);
              if (!descriptors.Reopen()) return 1;
              return LeadsTo(0) == null && LeadsTo(1) == null && LeadsTo(2) == null ? 0 : 2;
            }),
            0);
}

TEST(StandardDescriptorsTest, WhatStandsInTheirPlaceStaysAndIsTold) {
  EXPECT_EQ(InChild([](ino_t null) {
              const StandardDescriptors descriptors;
              int pipes[2];
              close(0);
              close(1);
              if (pipe(pipes) != 0 || pipes[0] != 0 || pipes[1] != 1) return 1;
              const ino_t theirs = LeadsTo(1);
              if (descriptors.Reopen() || LeadsTo(1) != theirs) return 2;
              close(0);
              close(1);
              return descriptors.Reopen() && LeadsTo(0) == null && LeadsTo(1) == null ? 0 : 3;
            }),
            0);
}

TEST(StandardDescriptorsTest, NoneIsOpenedBesideThem) {
  EXPECT_EQ(InChild([](ino_t) {
              const StandardDescriptors descriptors;
              const int before = dup(0);
              close(before);
              close(1);
              if (!descriptors.Reopen() || !descriptors.Reopen()) return 2;
              return dup(0) == before ? 0 : 1;
            }),
            0);
}

}  // namespace
}  // namespace gild
