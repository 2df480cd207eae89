// A slot's life: made, lost, made again.
#include <cerrno>

#include "gmock/gmock.h"
#include "tests/server/lane/lane_fixture.h"

namespace gild {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Pair;

using LaneSlotTest = LaneTest;

TEST_F(LaneSlotTest, ASlotIsOrderedWithItsPlace) {
  Lane::Config config = CpuConfig();
  config.slots = 3;
  config.cores = {4, 7};
  config.nice = 19;
  config.required = IsolationLevel::kUser;
  std::string folder = ::testing::TempDir() + "/gild-lane-XXXXXX";
  ASSERT_NE(mkdtemp(folder.data()), nullptr);
  config.scratch_root = folder;
  Open(config);
  const SlotOrder order = slots_.AwaitOrder(2);
  EXPECT_EQ(order.name, "cpu-2");
  EXPECT_EQ(order.core, 4);
  EXPECT_EQ(order.nice, 19);
  EXPECT_EQ(order.required, IsolationLevel::kUser);
  EXPECT_EQ(order.scratch, folder + "/cpu-2");
  EXPECT_EQ(access(order.scratch.c_str(), W_OK), 0);
  for (int i = 0; i < 3; ++i) rmdir((folder + "/cpu-" + std::to_string(i)).c_str());
  rmdir(folder.c_str());
}

TEST_F(LaneSlotTest, ALostSlotEndsItsTasksAndIsMadeAgain) {
  FakeInterpreter child = OpenReady(IoConfig());
  auto task = NewTask();
  StartAndBegin(child, task);
  slots_.Gone(0, "the init was killed");
  const Outcome outcome = AwaitOutcome(task);
  EXPECT_EQ(outcome.ending, Ending::kInterpreterLost);
  EXPECT_THAT(outcome.evidence.detail, HasSubstr("the init was killed"));
  slots_.AwaitOrder(0, 2);
  FakeInterpreter next = ReadyAgain();
  EXPECT_EQ(next.generation(), 2u);
  EXPECT_THAT(Restarts(), Contains(Pair("slot_lost", 1)));
}

TEST_F(LaneSlotTest, ASlotThatCannotBeMadeIsTriedAgain) {
  slots_.inits_are_ready = false;
  Open(CpuConfig());
  slots_.AwaitOrder(0);
  slots_.Gone(0, "fork: no more processes");
  slots_.AwaitOrder(0, 2);
  slots_.InitReady(0);
  ReadyAgain();
  EXPECT_THAT(Restarts(), Contains(Pair("start_failed", 1)));
}

TEST_F(LaneSlotTest, BeforeAnotherPrincipalsTasksItsInterpreterIsReplaced) {
  FakeInterpreter child = OpenReady(CpuConfig());
  lane_->Replace(0);
  EXPECT_FALSE(lane_->Run(0, NewTask())) << "from now on, not only when it is dead";
  EXPECT_EQ(slots_.AwaitKill(0).generation, 1u);
  FakeInterpreter next = slots_.AwaitInterpreter(0);
  lane_->Replace(0);  // this one has run nothing yet, and stays
  next.Ready();
  AwaitReadies(2);
  Start(next, NewTask());
  EXPECT_EQ(next.generation(), 2u);
  EXPECT_THAT(Restarts(), Contains(Pair("principal", 1)));
}

TEST_F(LaneSlotTest, ASlotThatIsNeverReadyIsLetGoAndMadeAgain) {
  slots_.inits_are_ready = false;
  Lane::Config config = CpuConfig();
  config.start_limit_ns = kSoon;
  Open(config);
  slots_.AwaitOrder(0, 2);
}

TEST_F(LaneSlotTest, AnInterpreterThatIsNeverReadyIsKilledAndStartedAgain) {
  Lane::Config config = CpuConfig();
  config.start_limit_ns = 20 * kNsPerMs;
  Open(config);
  const FakeInterpreter dumb = slots_.AwaitInterpreter(0);
  EXPECT_EQ(slots_.AwaitKill(0).generation, 1u);
  ReadyAgain();
  EXPECT_THAT(Restarts(), Contains(Pair("start_failed", 1)));
}

TEST_F(LaneSlotTest, AForkThatFailsIsTriedAgain) {
  Open(CpuConfig());
  const FakeInterpreter unborn = slots_.AwaitInterpreter(0);
  slots_.StartFailed(0, 1, EAGAIN);
  EXPECT_EQ(ReadyAgain().generation(), 2u);
  EXPECT_THAT(Restarts(), Contains(Pair("start_failed", 1)));
}

TEST_F(LaneSlotTest, ADeathBeforeReadyIsAFailedStart) {
  Open(CpuConfig());
  FakeInterpreter child = slots_.AwaitInterpreter(0);
  Die(child, Exited(70));
  ReadyAgain();
  EXPECT_THAT(Restarts(), Contains(Pair("start_failed", 1)));
}

TEST_F(LaneSlotTest, AReadyThatIsReadOnlyAfterTheDeathIsNotReported) {
  Open(CpuConfig());
  FakeInterpreter child = slots_.AwaitInterpreter(0);
  testing::Pause pause(&poller_);
  slots_.Ended(child, Signaled(SIGKILL));
  child.Ready();
  child.CloseChannel();
  pause.End();
  slots_.AwaitInterpreter(0);
  EXPECT_EQ(readies(), 0);
}

TEST_F(LaneSlotTest, AnInterpreterThatIsNotReapedCostsItsSlot) {
  slots_.kills_work = false;
  Lane::Config config = CpuConfig();
  config.kill_limit_ns = kSoon;
  FakeInterpreter child = OpenReady(config);
  auto task = NewTask();
  StartAndBegin(child, task);
  lane_->Cancel(task->serial);
  EXPECT_EQ(AwaitOutcome(task).ending, Ending::kCancelled);
  slots_.AwaitOrder(0, 2);
}

}  // namespace
}  // namespace gild
