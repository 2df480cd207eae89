// `gild advise` against the real server. How quick anything is, is not asserted: what it says of the figures is
// unit-tested.
#include "gmock/gmock.h"
#include "google/protobuf/struct.pb.h"
#include "google/protobuf/util/json_util.h"
#include "tests/testing/command.h"
#include "tests/testing/server_fixture.h"

namespace gild::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

class AdviseTest : public ServerFixture {
 protected:
  CommandResult Advise(std::vector<std::string> arguments, const std::string& input = "") {
    arguments.insert(arguments.begin(), {GILD_CLI, "advise", "--server", address()});
    return RunCommand(arguments, input);
  }
  std::string File(const std::string& name) { return std::string(GILD_TESTCASES) + "/" + name; }
};

google::protobuf::Struct Parsed(const std::string& json) {
  google::protobuf::Struct object;
  EXPECT_TRUE(google::protobuf::util::JsonStringToMessage(json, &object).ok()) << json;
  return object;
}

TEST_F(AdviseTest, BytecodeIsForTheCpuLaneAndItsFunctionIsNamed) {
  StartServer();
  const CommandResult result =
      Advise({"--json", "--seconds", "5", "--entry", "turn", "--arg", "0.05", File("profiles.py")});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const google::protobuf::Struct advice = Parsed(result.out);
  const auto& profile = advice.fields().at("lock_profile").struct_value().fields();
  const auto& first = profile.at("functions").list_value().values(0).struct_value().fields();
  EXPECT_EQ(first.at("function").string_value(), "turn");
  EXPECT_EQ(first.at("file").string_value(), "profiles.py");
  EXPECT_EQ(first.at("line").number_value(), 9);
  for (const auto& value : advice.fields().at("lanes").list_value().values()) {
    const auto& lane = value.struct_value().fields();
    EXPECT_GT(lane.at("alone").struct_value().fields().at("runs").number_value(), 0);
    EXPECT_GT(lane.at("predicted_speedup").number_value(), 0);
    EXPECT_GT(lane.at("measured_speedup").number_value(), 0);
  }
  if (GetInfo().cores_size() > 1) {
    EXPECT_EQ(advice.fields().at("tag").string_value(), "CPU");
  }
}

TEST_F(AdviseTest, SleepersAreForTheIoLane) {
  StartServer();
  const CommandResult result = Advise({"--seconds", "4", "--copies", "16", "-"}, "import time\ntime.sleep(0.05)\n");
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("tag: IO"));
  EXPECT_THAT(result.out, HasSubstr("IO_BOUND"));
  EXPECT_THAT(result.out, HasSubstr("The function that holds the lock: "));
  EXPECT_THAT(result.err, IsEmpty());
}

TEST_F(AdviseTest, WithoutAProfileNoFunctionsAreNamed) {
  StartSmallServer();
  const CommandResult result = Advise({"--no-profile", "--json", "--seconds", "2", "-"}, "pass");
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_TRUE(Parsed(result.out).fields().at("lock_profile").has_null_value());
}

TEST_F(AdviseTest, AScriptThatFailsIsShownAsRunShowsIt) {
  StartSmallServer();
  const CommandResult raised = Advise({"--seconds", "2", "-"}, "print('before')\n1 / 0\n");
  EXPECT_EQ(raised.exit_code, 1);
  EXPECT_EQ(raised.out, "before\n");
  EXPECT_THAT(raised.err, HasSubstr("ZeroDivisionError"));
  EXPECT_THAT(raised.err, HasSubstr("gild: the script did not succeed: RAISED in the CPU lane, first run"));
  EXPECT_EQ(Advise({"--seconds", "2", "-"}, "(").exit_code, 126);
  EXPECT_EQ(Advise({"--seconds", "2", "-"}, "raise SystemExit(9)").exit_code, 9);
  EXPECT_EQ(Advise({"--seconds", "2", "-"}, "raise SystemExit(0)").exit_code, 1);
  EXPECT_EQ(Advise({"--timeout", "300ms", "--entry", "spin", File("blocks.py")}).exit_code, 124);
  // What ends its interpreter never comes to the I/O lane, where others are.
  EXPECT_EQ(Advise({"--entry", "segfault", File("crashes.py")}).exit_code, 139);
  EXPECT_EQ(Slot("io-0").generation(), 1u);
}

TEST_F(AdviseTest, OneThatFailsWithManyAtOnceIsTold) {
  StartSmallServer();
  // In the I/O lane alone: all in one process, and all at the same time.
  const CommandResult result = Advise({"--seconds", "3", "--copies", "8", "-"}, R"(
import os, threading, time
if sum("gild-task" in open(f"/proc/self/task/{task}/comm").read() for task in os.listdir("/proc/self/task")) > 1:
    raise RuntimeError("not alone")
time.sleep(0.05)
)");
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.err, HasSubstr("RuntimeError: not alone"));
  EXPECT_THAT(result.err, HasSubstr("in the I/O lane, 8 at once"));
}

TEST_F(AdviseTest, AServerThatIsNotThereIsOneClearLine) {
  StartSmallServer();
  const CommandResult result = RunCommand({GILD_CLI, "advise", "--server", "127.0.0.1:1", File("scripts.py")}, "");
  EXPECT_EQ(result.exit_code, 69);
  EXPECT_THAT(result.err, HasSubstr("gild: server at 127.0.0.1:1 refused the connection\nhint: "));
}

}  // namespace
}  // namespace gild::testing
