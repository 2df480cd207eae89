// How gild-server comes and goes: where it listens, what ends it, and what it leaves behind.
#include <stdlib.h>

#include <csignal>
#include <filesystem>
#include <fstream>

#include "gmock/gmock.h"
#include "tests/testing/command.h"
#include "tests/testing/doorbell.h"
#include "tests/testing/server_fixture.h"

namespace gild::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class ServerTest : public ServerFixture {
 protected:
  ServerTest() : folder_(::testing::TempDir() + "gild-server-test-XXXXXX") {
    EXPECT_NE(mkdtemp(folder_.data()), nullptr);
  }
  ~ServerTest() override { std::filesystem::remove_all(folder_); }

  // The test's own.
  const std::string& folder() const { return folder_; }

  std::vector<std::string> FilesInFolder() {
    std::vector<std::string> names;
    for (const auto& file : std::filesystem::directory_iterator(folder_)) names.push_back(file.path().filename());
    return names;
  }

  // The child of the server that goes by this name.
  int ChildNamed(const std::string& wanted) {
    for (const auto& thread : std::filesystem::directory_iterator("/proc/" + std::to_string(pid()) + "/task")) {
      std::ifstream children(thread.path() / "children");
      for (int child = 0; children >> child;) {
        std::string name;
        std::getline(std::ifstream("/proc/" + std::to_string(child) + "/comm"), name);
        if (name == wanted) return child;
      }
    }
    throw std::runtime_error("the server has no child " + wanted);
  }

 private:
  std::string folder_;
};

TEST_F(ServerTest, RuntimeFolderIsRemovedAtTheEnd) {
  setenv("TMPDIR", folder().c_str(), 1);
  StartSmallServer();
  unsetenv("TMPDIR");
  EXPECT_THAT(FilesInFolder(), SizeIs(1));
  EXPECT_EQ(Run(Script(v1::IO, "open('left behind', 'w').close()")).ending(), v1::SUCCEEDED);
  EXPECT_EQ(StopServer(), 0);
  EXPECT_THAT(FilesInFolder(), IsEmpty());
}

TEST_F(ServerTest, EndOfTheZygoteIsTheServers) {
  StartSmallServer();
  kill(ChildNamed("gild-zygote"), SIGKILL);
  EXPECT_EQ(AwaitServerExit(), 1);
}

TEST_F(ServerTest, InterruptDrainsToo) {
  StartSmallServer({"--grace", "1h"});
  Doorbell doorbell;
  std::unique_ptr<PendingRun> run = RunLater(RingAndWait(v1::IO, doorbell.port()));
  doorbell.AwaitRings(1);
  Send(SIGINT);
  Eventually("the server drains", [&] { return GetStats().draining(); });
  doorbell.LetIn();
  EXPECT_EQ(run->outcome().ending(), v1::SUCCEEDED) << run->outcome().DebugString();
  EXPECT_EQ(AwaitServerExit(), 0);
}

TEST_F(ServerTest, SecondSignalEndsTheGrace) {
  StartSmallServer({"--grace", "1h"});
  Doorbell doorbell;
  std::unique_ptr<PendingRun> run = RunLater(RingAndWait(v1::IO, doorbell.port()));
  doorbell.AwaitRings(1);
  Send(SIGTERM);
  Eventually("the server drains", [&] { return GetStats().draining(); });
  Send(SIGTERM);
  EXPECT_EQ(run->outcome().ending(), v1::INTERPRETER_LOST) << run->outcome().DebugString();
  EXPECT_EQ(AwaitServerExit(), 0);
}

TEST_F(ServerTest, ListensOnAUnixSocket) {
  StartSmallServer({"--listen", "unix:" + folder() + "/socket"});
  EXPECT_EQ(address(), "unix:" + folder() + "/socket");
  CommandResult result = RunCommand({GILD_CLI, "info", "--server", address()});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr(GetInfo().python_version()));
}

}  // namespace
}  // namespace gild::testing
