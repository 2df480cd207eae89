// The server beside interpreters that lie to it (tests/testcases/rogue/rogue_child.cc): whatever they say, tasks end
// typed, others go on, and nothing of the server's is lost.
#include <filesystem>
#include <set>

#include "tests/testing/server_fixture.h"

namespace gild::testing {
namespace {

using Endings = std::set<v1::Ending>;

struct Lie {
  const char* name;
  Endings ends;
};

const Endings kBrokeTheProtocol = {v1::PROTOCOL_ERROR};
const Endings kDied = {v1::EXITED, v1::CRASHED, v1::INTERPRETER_LOST};

const Lie kLies[] = {
    {"end of another task", kBrokeTheProtocol},
    {"end said twice", {v1::SUCCEEDED}},
    {"half a frame, then exit", kDied},
    {"half a frame, then silence", {v1::TIMED_OUT}},
    {"a length beyond all bounds", kBrokeTheProtocol},
    {"noise", {v1::PROTOCOL_ERROR, v1::TIMED_OUT}},
    {"a flood of empty frames", kBrokeTheProtocol},
    {"a flood of frames that say nothing", kBrokeTheProtocol},
    {"a flood of loop frames", kBrokeTheProtocol},
    {"descriptors", kBrokeTheProtocol},
    {"a shorter page", {v1::SUCCEEDED}},
    {"a longer page", {v1::SUCCEEDED}},
    {"a page of nonsense", {v1::SUCCEEDED}},
    {"a page that changes", {v1::SUCCEEDED}},
    {"times of nonsense", {v1::SUCCEEDED}},
    {"another's death note", {v1::CRASHED, v1::INTERPRETER_LOST}},
    {"the channel held by a child", kDied},
    {"a closed channel", kBrokeTheProtocol},
    {"ready once more", kBrokeTheProtocol},
    {"failed to start", kBrokeTheProtocol},
    {"never read", {v1::TIMED_OUT}},
    {"busy after the end", {v1::SUCCEEDED}},
    {"many threads left", {v1::SUCCEEDED}},
    {"residue of nonsense", kBrokeTheProtocol},
    {"an error of forty megabytes", kBrokeTheProtocol},
    {"twenty million nothings", kBrokeTheProtocol},
};

class RogueTest : public BothLanesFixture {
 protected:
  v1::Task Named(const std::string& name) {
    v1::Task task = Script(GetParam(), "pass");
    task.set_name(name);
    // Sixty megabytes take their time.
    *task.mutable_limits()->mutable_wall() = Ms(name == "twenty million nothings" ? 10'000 : 300);
    return task;
  }
  int Descriptors() {
    const std::filesystem::directory_iterator all("/proc/" + std::to_string(pid()) + "/fd");
    return static_cast<int>(std::distance(begin(all), end(all)));
  }
};
INSTANTIATE_IN_BOTH_LANES(RogueTest);

TEST_P(RogueTest, NoLieHarmsTheServerOrTheNextTask) {
  StartSmallServer({"--interpreter", GILD_ROGUE_CHILD});
  EXPECT_EQ(Run(Named("honest")).ending(), v1::SUCCEEDED);
  const int descriptors = Descriptors();
  for (const Lie& lie : kLies) {
    SCOPED_TRACE(lie.name);
    const v1::Outcome outcome = Run(Named(lie.name));
    EXPECT_TRUE(lie.ends.contains(outcome.ending())) << outcome.DebugString();
    if (std::string(lie.name).find("er page") != std::string::npos) {
      EXPECT_EQ(outcome.result().json(), "\"refused\"") << "what shrinks beneath the server would end it";
    }
    // It may go where the liar still is: then it is given back, and runs in its successor; or, among many, is lost with
    // it, once.
    v1::Ending ending = Run(Named("honest")).ending();
    if (GetParam() == v1::IO && ending == v1::INTERPRETER_LOST) ending = Run(Named("honest")).ending();
    EXPECT_EQ(ending, v1::SUCCEEDED);
  }
  // The longest frame is 65 MiB, and lies here once, or twice while it comes in.
  EXPECT_LT(StatusOf(pid(), "VmHWM"), 400 << 10) << "the server's memory at its highest, in KiB";
  Eventually("no descriptor is lost", [&] { return Descriptors() <= descriptors; });
}

class RogueCpuTest : public RogueTest {};
INSTANTIATE_TEST_SUITE_P(Lanes, RogueCpuTest, ::testing::Values(v1::CPU),
                         [](const auto&) { return std::string("Cpu"); });

TEST_P(RogueCpuTest, OneThatGoesOnAfterItsTasksEndIsFound) {
  StartSmallServer({"--interpreter", GILD_ROGUE_CHILD});
  EXPECT_EQ(Run(Named("busy after the end")).ending(), v1::SUCCEEDED);
  const v1::InterpreterStats successor = AwaitSuccessor("cpu-0", 1);
  ASSERT_EQ(successor.restarts_size(), 1) << successor.DebugString();
  EXPECT_EQ(successor.restarts(0).cause(), "restless");
}

}  // namespace
}  // namespace gild::testing
