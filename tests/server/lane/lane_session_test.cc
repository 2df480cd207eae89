// Sessions: what an interpreter keeps for them, and the order to let go of it.
#include "gmock/gmock.h"
#include "tests/server/lane/lane_fixture.h"

namespace gild {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

class LaneSessionTest : public LaneTest {
 protected:
  std::shared_ptr<Task> SessionTask(uint64_t session) {
    auto task = NewTask();
    task->session_number = session;
    return task;
  }
  std::shared_ptr<Task> CallIn(uint64_t session, const std::string& sha256) {
    auto task = SessionTask(session);
    task->function = std::make_shared<Function>(Function{.sha256 = sha256, .pickled = "pickled " + sha256});
    return task;
  }
};

TEST_F(LaneSessionTest, TheNumberTravelsWithTheTask) {
  FakeInterpreter child = OpenReady(IoConfig());
  EXPECT_EQ(Start(child, SessionTask(7)).session(), 7u);
  EXPECT_EQ(Start(child, NewTask()).session(), 0u);
}

TEST_F(LaneSessionTest, EachSessionIsSentItsOwnCopyOfAFunction) {
  FakeInterpreter child = OpenReady(IoConfig(9));
  EXPECT_TRUE(Start(child, CallIn(0, "f")).has_pickled_function());
  EXPECT_TRUE(Start(child, CallIn(1, "f")).has_pickled_function());
  EXPECT_TRUE(Start(child, CallIn(2, "f")).has_pickled_function());
  for (const uint64_t session : {0, 1, 2}) EXPECT_FALSE(Start(child, CallIn(session, "f")).has_pickled_function());
  ASSERT_TRUE(lane_->ForgetSessions(0, {1}));
  EXPECT_THAT(child.AwaitForget(), ElementsAre(1));
  EXPECT_FALSE(Start(child, CallIn(0, "f")).has_pickled_function());
  EXPECT_FALSE(Start(child, CallIn(2, "f")).has_pickled_function());
}

TEST_F(LaneSessionTest, ASessionHasSoManyFunctions) {
  FakeInterpreter child = OpenReady(IoConfig(1));
  const auto run = [&](uint64_t session, const std::string& sha256) {
    auto task = CallIn(session, sha256);
    internal::StartTask start = StartAndBegin(child, task);
    child.End(start, internal::CODE_SUCCEEDED);
    AwaitOutcome(task);
    return start;
  };
  run(1, "other's");
  for (size_t i = 0; i < kSessionFunctionsMax; ++i) {
    EXPECT_EQ(run(2, absl::StrCat(i)).forget_functions_sha256_size(), 0);
  }
  EXPECT_THAT(run(2, "one more").forget_functions_sha256(), ElementsAre("0"));
  EXPECT_FALSE(run(1, "other's").has_pickled_function());
}

TEST_F(LaneSessionTest, TheyAreGoneWhenTheInterpreterSaysSo) {
  FakeInterpreter child = OpenReady(IoConfig());
  ASSERT_TRUE(lane_->ForgetSessions(0, {1, 2, 3}));
  EXPECT_THAT(child.AwaitForget(), ElementsAre(1, 2, 3));
  child.Forgotten({3});
  AwaitSessionsGone(1);
  child.Forgotten({1, 2});
  AwaitSessionsGone(3);
}

TEST_F(LaneSessionTest, TheyAreGoneWithTheirInterpreter) {
  FakeInterpreter child = OpenReady(IoConfig());
  ASSERT_TRUE(lane_->ForgetSessions(0, {1, 2}));
  child.AwaitForget();
  child.Forgotten({2});
  AwaitSessionsGone(1);
  Die(child, Signaled(SIGKILL));
  AwaitSessionsGone(2);
  ReadyAgain();
}

TEST_F(LaneSessionTest, WhereThereIsNoInterpreterNobodyHasThem) {
  Lane::Config config = IoConfig();
  config.back_off_ns_first = config.back_off_ns_max = kNever;
  FakeInterpreter child = OpenReady(config);
  auto task = NewTask();
  Start(child, task);
  Die(child, Signaled(SIGKILL));
  AwaitOutcome(task);
  Settle();
  EXPECT_FALSE(lane_->ForgetSessions(0, {1}));
}

TEST_F(LaneSessionTest, FinalizersThatDoNotStopCostTheInterpreter) {
  FakeInterpreter child = OpenReady(IoConfig());
  auto task = NewTask();
  StartAndBegin(child, task);
  Die(child, Exited(kExitOfStuckSession));
  const Outcome outcome = AwaitOutcome(task);
  EXPECT_EQ(outcome.ending, Ending::kInterpreterLost);
  EXPECT_THAT(outcome.evidence.detail, HasSubstr("finalizers of a forgotten session"));
  ReadyAgain();
  EXPECT_THAT(Restarts(), ElementsAre(Pair("session_stuck", 1)));
}

}  // namespace
}  // namespace gild
