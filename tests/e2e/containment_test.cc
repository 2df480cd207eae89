// What an interpreter is given and what it is not: environment, descriptors, privileges, cores, randomness, children.
#include <signal.h>
#include <stdlib.h>

#include <set>
#include <sstream>

#include "gmock/gmock.h"
#include "google/protobuf/struct.pb.h"
#include "google/protobuf/util/json_util.h"
#include "tests/testing/server_fixture.h"

namespace gild::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class ContainmentTest : public BothLanesFixture {};
INSTANTIATE_IN_BOTH_LANES(ContainmentTest);

TEST_P(ContainmentTest, EnvironmentOfTheServerIsNotTheTasks) {
  setenv("GILD_TEST_SECRET", "do not tell", 1);
  StartSmallServer();
  v1::Outcome outcome = Run(Call(GetParam(), "looks.py", "environment"));
  EXPECT_EQ(outcome.ending(), v1::SUCCEEDED) << outcome.DebugString();
  EXPECT_THAT(outcome.result().json(), Not(HasSubstr("do not tell")));
}

TEST_P(ContainmentTest, DescriptorsOfTheServerAreClosed) {
  StartSmallServer();
  v1::Outcome outcome = Run(Call(GetParam(), "looks.py", "descriptors"));
  ASSERT_EQ(outcome.ending(), v1::SUCCEEDED) << outcome.DebugString();
  google::protobuf::ListValue links;
  ASSERT_TRUE(google::protobuf::util::JsonStringToMessage(outcome.result().json(), &links).ok());
  int sockets = 0;
  for (const auto& link : links.values()) {
    sockets += link.string_value().rfind("socket:", 0) == 0;
    EXPECT_NE(link.string_value().rfind("pipe:", 0), 0u) << "a pipe of the server's";
  }
  EXPECT_EQ(sockets, 1) << outcome.result().json();
  EXPECT_LE(links.values_size(), 10) << outcome.result().json();
}

TEST_P(ContainmentTest, NoNewPrivilegesCanBeHad) {
  StartSmallServer();
  EXPECT_EQ(Run(Call(GetParam(), "looks.py", "status", {Json("\"NoNewPrivs\"")})).result().json(), "\"1\"");
}

TEST_P(ContainmentTest, StandardInputIsEmpty) {
  StartSmallServer();
  EXPECT_EQ(Run(Script(GetParam(), "import sys\nprint(repr(sys.stdin.read() if sys.stdin else ''))")).stdout(), "''\n");
}

TEST_P(ContainmentTest, ForkedChildFallingThroughIsNotTheTask) {
  StartSmallServer();
  for (int i = 0; i < 3; ++i) {
    v1::Outcome outcome = Run(WithProcesses(Call(GetParam(), "forks.py", "child_falls_through")));
    EXPECT_EQ(outcome.ending(), v1::SUCCEEDED) << outcome.DebugString();
    EXPECT_EQ(outcome.result().json(), "\"parent\"");
    EXPECT_THAT(outcome.stdout(), HasSubstr("parent\n"));
  }
  EXPECT_EQ(Run(Script(GetParam(), "print(1)")).stdout(), "1\n");
}

TEST_P(ContainmentTest, ForkedChildThatRaisesIsNotTheTask) {
  StartSmallServer();
  v1::Outcome outcome = Run(WithProcesses(Call(GetParam(), "forks.py", "child_raises")));
  EXPECT_EQ(outcome.ending(), v1::SUCCEEDED) << outcome.DebugString();
  EXPECT_EQ(outcome.result().json(), "\"parent\"");
  EXPECT_EQ(Run(Script(GetParam(), "print(1)")).stdout(), "1\n");
}

TEST_P(ContainmentTest, ForkedChildLeavesWithItsOwnCode) {
  StartSmallServer();
  v1::Outcome outcome = Run(WithProcesses(Call(GetParam(), "forks.py", "child_calls_exit")));
  EXPECT_EQ(outcome.result().json(), "5") << outcome.DebugString();
}

TEST_P(ContainmentTest, ForkInAThreadOfATaskIsNotTheTask) {
  StartSmallServer();
  v1::Outcome outcome = Run(WithProcesses(Call(GetParam(), "forks.py", "fork_in_a_thread")));
  EXPECT_EQ(outcome.result().json(), "[\"parent\"]") << outcome.DebugString();
  EXPECT_EQ(Run(Script(GetParam(), "print(1)")).stdout(), "1\n");
}

TEST_P(ContainmentTest, SignalToItsProcessGroupReachesNobodyElse) {
  StartSmallServer();
  const uint64_t other = Slot(GetParam() == v1::IO ? "cpu-0" : "io-0").generation();
  v1::Outcome outcome = Run(Script(GetParam(), "import os, signal\nos.kill(0, signal.SIGTERM)"));
  EXPECT_EQ(outcome.ending(), v1::CRASHED) << outcome.DebugString();
  EXPECT_EQ(outcome.evidence().signal(), SIGTERM);
  EXPECT_EQ(Run(Script(GetParam(), "print(1)")).stdout(), "1\n");
  EXPECT_EQ(Slot(GetParam() == v1::IO ? "cpu-0" : "io-0").generation(), other);
}

TEST_P(ContainmentTest, CommandsCanBeRun) {
  StartSmallServer();
  v1::Outcome outcome = Run(WithProcesses(Call(GetParam(), "forks.py", "output_of_a_command")));
  EXPECT_EQ(outcome.result().json(), "\"hello\\n\"") << outcome.DebugString();
}

TEST_P(ContainmentTest, ProcessLeftBehindEndsWithTheServer) {
  StartSmallServer();
  EXPECT_EQ(Run(WithProcesses(Call(GetParam(), "forks.py", "leave_a_process"))).ending(), v1::SUCCEEDED);
  EXPECT_EQ(StopServer(), 0);  // and finds no process left
}

TEST_P(ContainmentTest, EachInterpreterDrawsItsOwnRandomNumbers) {
  if (std::string(GILD_PYTHON) != "/usr/bin/python3") GTEST_SKIP() << "preloads Debian's NumPy";
  StartSmallServer({"--preload", "random,numpy.random"});
  std::set<std::string> draws;
  for (int i = 0; i < 3; ++i) {
    v1::Outcome outcome = Run(Call(GetParam(), "looks.py", "draws_and_leave"));
    EXPECT_EQ(outcome.ending(), v1::EXITED) << outcome.DebugString();
    std::istringstream numbers(outcome.stdout());
    for (std::string number; std::getline(numbers, number, ',');) {
      EXPECT_TRUE(draws.insert(number).second) << "drawn before: " << number;
    }
  }
  EXPECT_EQ(draws.size(), 12u);
}

class PlacementTest : public ServerFixture {};

TEST_F(PlacementTest, CpuLaneIsPinnedAndNice) {
  StartSmallServer();
  EXPECT_EQ(Run(Call(v1::CPU, "looks.py", "cores")).result().json(), "1");
  EXPECT_EQ(Run(Call(v1::CPU, "looks.py", "niceness")).result().json(), "19");
}

TEST_F(PlacementTest, IoLaneIsNeither) {
  StartSmallServer();
  EXPECT_EQ(Run(Call(v1::IO, "looks.py", "cores")).result().json(), std::to_string(GetInfo().cores_size()));
  EXPECT_EQ(Run(Call(v1::IO, "looks.py", "niceness")).result().json(), "0");
}

TEST_F(PlacementTest, CpuInterpretersAreOnePerCoreByDefault) {
  StartServer();
  v1::Info info = GetInfo();
  for (const v1::LaneInfo& lane : info.lanes()) {
    if (lane.lane() == v1::CPU_LANE) {
      EXPECT_EQ(lane.interpreters(), static_cast<uint32_t>(info.cores_size()));
      EXPECT_EQ(lane.threads_per_interpreter(), 1u);
    } else {
      EXPECT_EQ(lane.threads_per_interpreter(), 128u);
    }
  }
}

}  // namespace
}  // namespace gild::testing
