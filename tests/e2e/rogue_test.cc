// The server beside interpreters that lie to it (tests/testcases/rogue/rogue_child.cc): whatever they say, tasks end
// typed, others go on, and nothing of the server's is lost. Alone, beside others' work, and one after the other without
// a pause.
#include <filesystem>
#include <memory>
#include <set>
#include <tuple>

#include "tests/testing/footprint.h"
#include "tests/testing/load.h"
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

// Its interpreter goes on with the next task, which is lost with it where what is wrong is heard of only then.
const Endings kLostWithLiar = {v1::PROTOCOL_ERROR, v1::INTERPRETER_LOST};

v1::Task Honest(v1::Tag tag) {
  v1::Task task = Script(tag, "pass");
  task.set_name("honest");
  return task;
}

v1::Task Of(const Lie& lie, v1::Tag tag) {
  v1::Task task = Script(tag, "pass");
  task.set_name(lie.name);
  // Those that are waited for, and time enough for the rest.
  *task.mutable_limits()->mutable_wall() = Ms(lie.ends.contains(v1::TIMED_OUT) ? 100 : 10'000);
  return task;
}

class RogueTest : public ServerFixture, public ::testing::WithParamInterface<std::tuple<v1::Tag, Condition>> {
 protected:
  v1::Tag tag() const { return std::get<v1::Tag>(GetParam()); }
  Condition condition() const { return std::get<Condition>(GetParam()); }

  int Descriptors() {
    const std::filesystem::directory_iterator all("/proc/" + std::to_string(pid()) + "/fd");
    return static_cast<int>(std::distance(begin(all), end(all)));
  }

  // Honest work in both lanes, for as long as the load lives. What it prints is the liars' to say: it lies in their
  // page.
  std::unique_ptr<Load> WorkBeside() {
    std::vector<HonestWork> works;
    for (const v1::Tag lane : {v1::IO, v1::CPU}) {
      works.push_back({.task = Honest(lane)});
      works.back().ends.insert(kLostWithLiar.begin(), kLostWithLiar.end());
    }
    return std::make_unique<Load>(channel(), works);
  }

  void ExpectHonestWorkAfter(const Lie& lie) {
    // It may go where the liar still is: then it is given back, and runs in its successor.
    v1::Ending ending = Run(Honest(tag())).ending();
    if (lie.ends.contains(v1::SUCCEEDED) && kLostWithLiar.contains(ending)) ending = Run(Honest(tag())).ending();
    EXPECT_EQ(ending, v1::SUCCEEDED);
  }
};

INSTANTIATE_TEST_SUITE_P(Lanes, RogueTest,
                         ::testing::Combine(::testing::Values(v1::IO, v1::CPU), ::testing::ValuesIn(kConditions)),
                         [](const auto& info) {
                           const bool io = std::get<v1::Tag>(info.param) == v1::IO;
                           return (io ? "Io" : "Cpu") + NameOf(std::get<Condition>(info.param));
                         });

TEST_P(RogueTest, NoLieHarmsTheServerOrTheNextTask) {
  StartSmallServer({"--interpreter", GILD_ROGUE_CHILD});
  EXPECT_EQ(Run(Honest(tag())).ending(), v1::SUCCEEDED);
  const int descriptors = Descriptors();
  {
    const std::unique_ptr<Load> load = condition() == Condition::kLoad ? WorkBeside() : nullptr;
    bool goes_on = false;  // the interpreter of the lie before
    for (const Lie& lie : kLies) {
      SCOPED_TRACE(lie.name);
      const v1::Outcome outcome = Run(Of(lie, tag()));
      const bool lost = goes_on && kLostWithLiar.contains(outcome.ending());
      EXPECT_TRUE(lost || lie.ends.contains(outcome.ending())) << outcome.DebugString();
      if (std::string(lie.name).find("er page") != std::string::npos && outcome.ending() == v1::SUCCEEDED) {
        EXPECT_EQ(outcome.result().json(), "\"refused\"") << "what shrinks beneath the server would end it";
      }
      if (condition() == Condition::kBackToBack) {
        goes_on = outcome.ending() == v1::SUCCEEDED;
      } else {
        ExpectHonestWorkAfter(lie);
      }
    }
  }
  EXPECT_EQ(Run(Honest(tag())).ending(), v1::SUCCEEDED);
#if !defined(__SANITIZE_ADDRESS__)  // which keeps what is freed
  // The longest frame is 65 MiB, and lies here once, or twice while it comes in.
  EXPECT_LT(StatusOf(pid(), "VmHWM"), 400 << 10) << "the server's memory at its highest, in KiB";
#endif
  Eventually("no descriptor is lost", [&] { return Descriptors() <= descriptors; });
}

class RestlessTest : public ServerFixture {};

TEST_F(RestlessTest, OneThatGoesOnAfterItsTasksEndIsFound) {
  StartSmallServer({"--interpreter", GILD_ROGUE_CHILD});
  const v1::Task lie = Of({"busy after the end", {v1::SUCCEEDED}}, v1::CPU);
  EXPECT_EQ(Run(lie).ending(), v1::SUCCEEDED);
  const v1::InterpreterStats successor = AwaitSuccessor("cpu-0", 1);
  ASSERT_EQ(successor.restarts_size(), 1) << successor.DebugString();
  EXPECT_EQ(successor.restarts(0).cause(), "restless");
}

}  // namespace
}  // namespace gild::testing
