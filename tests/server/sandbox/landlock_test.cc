#include "server/sandbox/landlock.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "server/base/unique_fd.h"
#include "tests/server/sandbox/in_child.h"

namespace gild {
namespace {

class LandlockTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (LandlockAbi() == 0) GTEST_SKIP() << "this kernel has no Landlock";
    ASSERT_NE(mkdtemp(scratch_), nullptr);
  }
  void TearDown() override { std::filesystem::remove_all(scratch_); }

  std::string Behind(const Profile& profile, const std::function<std::string()>& wrong) {
    return InChild([&]() -> std::string {
      prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
      const absl::StatusOr<LandlockRules> rules = LandlockRules::Make(profile, {"/proc/sys"}, scratch_);
      const absl::Status restricted = rules.ok() ? rules->Apply() : rules.status();
      return restricted.ok() ? wrong() : std::string(restricted.message());
    });
  }

  // "": it can be opened; else why not.
  static std::string Open(const std::string& path, int flags) {
    const UniqueFd file(open(path.c_str(), flags | O_CLOEXEC, 0600));
    return file.valid() ? "" : strerrorname_np(errno);
  }

  char scratch_[64] = "/tmp/landlock-XXXXXX";
};

TEST_F(LandlockTest, WhatIsNotSeenCannotBeReadAndNothingButTheScratchWritten) {
  const std::string inside = std::string(scratch_) + "/file";
  EXPECT_EQ(Behind({},
                   [&] {
                     return absl::StrCat(
                         Open("/usr/lib/os-release", O_RDONLY), "|", Open("/proc/sys/kernel/ostype", O_RDONLY), "|",
                         Open("/etc/shadow", O_RDONLY), "|", Open("/usr/bin/env", O_RDONLY), "|",
                         Open("/usr/lib/os-release", O_WRONLY), "|", Open(inside, O_RDWR | O_CREAT), "|",
                         Open("/tmp/landlock-outside", O_RDWR | O_CREAT), "|", Open("/dev/null", O_RDWR));
                   }),
            "||EACCES|EACCES|EACCES||EACCES|");
}

TEST_F(LandlockTest, TheScoreOfTheMemoryKillerIsLocked) {
  EXPECT_EQ(Behind({}, [] { return Open("/proc/self/oom_score_adj", O_WRONLY); }), "EACCES");
}

TEST_F(LandlockTest, WhoMayStartProcessesMayReadPrograms) {
  EXPECT_EQ(Behind({.subprocess = true}, [] { return Open("/usr/bin/env", O_RDONLY); }), "");
}

TEST_F(LandlockTest, NoTcpWhereThereIsToBeNoNetwork) {
  if (LandlockAbi() < 4) GTEST_SKIP() << "this kernel's Landlock knows no ports";
  const auto bind_tcp = [] {
    const UniqueFd server(socket(AF_INET, SOCK_STREAM, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return std::string(
        bind(server.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 ? "" : strerrorname_np(errno));
  };
  EXPECT_EQ(Behind({}, bind_tcp), "EACCES");
  EXPECT_EQ(Behind({.network = true}, bind_tcp), "");
}

TEST_F(LandlockTest, OthersCannotBeSignalledNorMetAtAbstractSockets) {
  if (LandlockAbi() < 6) GTEST_SKIP() << "this kernel's Landlock knows no scopes";
  const UniqueFd server(socket(AF_UNIX, SOCK_STREAM, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string name = absl::StrCat("gild-landlock-test-", getpid());
  memcpy(address.sun_path + 1, name.data(), name.size());
  const socklen_t bytes = offsetof(sockaddr_un, sun_path) + 1 + name.size();
  ASSERT_EQ(bind(server.get(), reinterpret_cast<const sockaddr*>(&address), bytes), 0);
  ASSERT_EQ(listen(server.get(), 1), 0);
  const auto reach = [&] {
    const UniqueFd client(socket(AF_UNIX, SOCK_STREAM, 0));
    const bool met = connect(client.get(), reinterpret_cast<const sockaddr*>(&address), bytes) == 0;
    return absl::StrCat(met ? "met " : "", kill(getppid(), 0) == 0 ? "signalled" : "");
  };
  EXPECT_EQ(InChild(reach), "met signalled");
  EXPECT_EQ(Behind({.network = true}, reach), "");
}

}  // namespace
}  // namespace gild
