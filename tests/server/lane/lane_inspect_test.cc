// A CPU interpreter does what it should also when its word does not say so; and it is replaced in good time.
#include "gmock/gmock.h"
#include "tests/server/lane/lane_fixture.h"

namespace gild {
namespace {

using ::testing::Contains;
using ::testing::IsEmpty;
using ::testing::HasSubstr;
using ::testing::Pair;

class LaneInspectTest : public LaneTest {
 protected:
  // Looked at all the time. `cpu_ns_of` is called on the poller's thread.
  static Lane::Config Inspected(std::function<int64_t(int)> cpu_ns_of) {
    Lane::Config config = CpuConfig();
    config.inspect_ns = kSoon;
    config.begin_limit_ns = kNever;
    config.cpu_ns_of = std::move(cpu_ns_of);
    return config;
  }
  static int64_t AlwaysBusy(int) { return NowNs(); }
  static int64_t NeverBusy(int) { return 0; }
};

TEST_F(LaneInspectTest, OneThatIsBusyWithoutATaskIsReplaced) {
  FakeInterpreter child = OpenReady(Inspected(AlwaysBusy));
  ReadyAgain();
  EXPECT_THAT(Restarts(), Contains(Pair("restless", 1)));
}

TEST_F(LaneInspectTest, OneThatSaidThatItsTaskHasEndedAndGoesOnIsReplaced) {
  std::atomic<bool> task_ended = false;
  FakeInterpreter child = OpenReady(Inspected([&](int) { return task_ended ? NowNs() : 0; }));
  const auto task = NewTask();
  const internal::StartTask start = StartAndBegin(child, task);
  child.End(start, internal::CODE_SUCCEEDED);
  EXPECT_EQ(AwaitOutcome(task).ending, Ending::kSucceeded);
  task_ended = true;
  ReadyAgain();
  EXPECT_THAT(Restarts(), Contains(Pair("restless", 1)));
}

TEST_F(LaneInspectTest, OneThatIsBusyWithATaskIsNot) {
  std::atomic<int> looks = 0;
  FakeInterpreter child = OpenReady(Inspected([&](int) {
    ++looks;
    return looks < 2 ? 0 : NowNs();
  }));
  const auto task = NewTask();
  const internal::StartTask start = StartAndBegin(child, task);
  while (looks < 10) Settle();
  child.End(start, internal::CODE_SUCCEEDED);
  EXPECT_EQ(AwaitOutcome(task).ending, Ending::kSucceeded);
}

TEST_F(LaneInspectTest, ATaskThatIsNotBegunIsGivenBack) {
  Lane::Config config = Inspected(NeverBusy);
  config.begin_limit_ns = kSoon;
  FakeInterpreter child = OpenReady(config);
  const auto task = NewTask();
  const internal::StartTask start = Start(child, task);
  AwaitReturned({task->serial});
  EXPECT_FALSE(Take(child.row(start.row()), task->serial)) << "it would run twice";
  ReadyAgain();
  EXPECT_THAT(Restarts(), Contains(Pair("restless", 1)));
}

TEST_F(LaneInspectTest, ATaskThatLiftsItsOwnLimitOfProcessorTimeIsEnded) {
  FakeInterpreter child = OpenReady(Inspected([start_ns = NowNs()](int) { return (NowNs() - start_ns) * 100; }));
  const auto task = NewTask();
  task->limits.cpu_ns = 50 * kNsPerMs;
  StartAndBegin(child, task);
  const Outcome outcome = AwaitOutcome(task);
  EXPECT_EQ(outcome.ending, Ending::kCpuLimit);
  EXPECT_EQ(outcome.evidence.limit, "cpu");
  EXPECT_EQ(outcome.evidence.allowed, 50 * kNsPerMs);
  ReadyAgain();
  EXPECT_THAT(Restarts(), Contains(Pair("cpu_limit", 1)));
}

TEST_F(LaneInspectTest, WhatATaskLeavesBehindCostsItsInterpreterAndIsTold) {
  FakeInterpreter child = OpenReady(CpuConfig());
  const auto task = NewTask();
  internal::TaskEnded ended = FakeInterpreter::Ended(StartAndBegin(child, task), internal::CODE_SUCCEEDED);
  ended.add_residue(internal::RESIDUE_DESCRIPTORS);
  ended.add_residue(internal::RESIDUE_LIMITS);
  child.End(ended);
  const Outcome outcome = AwaitOutcome(task);
  EXPECT_EQ(outcome.ending, Ending::kSucceeded);
  ASSERT_EQ(outcome.warnings.size(), 1u);
  EXPECT_EQ(outcome.warnings[0], "left behind: open descriptors, resource limits: its interpreter was replaced");
  ReadyAgain();
  EXPECT_THAT(Restarts(), Contains(Pair("residue", 1)));
}

TEST_F(LaneInspectTest, OneThatIsSpentIsReplacedWithoutAWord) {
  Lane::Config config = CpuConfig();
  config.tasks_per_interpreter = 7;
  config.limits.memory_bytes = 400;
  FakeInterpreter child = OpenReady(config);
  EXPECT_EQ(slots_.AwaitOrder(0).tasks_max, 7);
  EXPECT_EQ(slots_.AwaitOrder(0).growth_bytes_max, 100);
  const auto task = NewTask();
  internal::TaskEnded ended = FakeInterpreter::Ended(StartAndBegin(child, task), internal::CODE_SUCCEEDED);
  ended.set_spent(true);
  child.End(ended);
  EXPECT_TRUE(AwaitOutcome(task).warnings.empty());
  EXPECT_FALSE(lane_->Run(0, NewTask()));
  ReadyAgain();
  EXPECT_THAT(Restarts(), Contains(Pair("spent", 1)));
}

TEST_F(LaneInspectTest, TasksAreCountedHereToo) {
  Lane::Config config = CpuConfig();
  config.tasks_per_interpreter = 1;
  FakeInterpreter child = OpenReady(config);
  const auto task = NewTask();
  // It does not say that it is spent.
  child.End(FakeInterpreter::Ended(StartAndBegin(child, task), internal::CODE_SUCCEEDED));
  EXPECT_EQ(AwaitOutcome(task).ending, Ending::kSucceeded);
  EXPECT_FALSE(lane_->Run(0, NewTask()));
  ReadyAgain();
  EXPECT_THAT(Restarts(), Contains(Pair("spent", 1)));
}

TEST_F(LaneInspectTest, OneThatManyShareIsNeverSpent) {
  Lane::Config config = IoConfig();
  config.tasks_per_interpreter = 1;
  FakeInterpreter child = OpenReady(config);
  EXPECT_EQ(slots_.AwaitOrder(0).tasks_max, 0);
  for (int i = 0; i < 3; ++i) {
    const auto task = NewTask();
    child.End(FakeInterpreter::Ended(StartAndBegin(child, task), internal::CODE_SUCCEEDED));
    EXPECT_EQ(AwaitOutcome(task).ending, Ending::kSucceeded);
  }
  EXPECT_THAT(Restarts(), IsEmpty());
}

TEST_F(LaneInspectTest, ASeatHasASlotOfEachKind) {
  Lane::Config config = CpuConfig();
  config.extra = {{.kind = {.subprocess = true}, .seats = 1}, {.kind = {.fresh = true}, .seats = 1, .per_seat = 2}};
  Open(config);
  ASSERT_EQ(lane_->slots(), 4);
  const std::pair<const char*, SlotKind> expected[] = {{"cpu-0", {}},
                                                       {"cpu-0-sub", {.subprocess = true}},
                                                       {"cpu-0-fresh", {.fresh = true}},
                                                       {"cpu-0-fresh2", {.fresh = true}}};
  for (int slot = 0; slot < 4; ++slot) {
    const auto& [name, kind] = expected[slot];
    const auto order = slots_.AwaitOrder(slot);
    EXPECT_EQ(order.name, name);
    EXPECT_EQ(order.subprocess, kind.subprocess) << name;
    EXPECT_EQ(order.tasks_max, kind.fresh ? 1 : config.tasks_per_interpreter) << name;
    EXPECT_EQ(lane_->kind(slot), kind) << name;
    EXPECT_EQ(lane_->seat(slot), 0) << name;
  }
}

TEST_F(LaneInspectTest, AFullScratchIsTold) {
  FakeInterpreter child = OpenReady(CpuConfig());
  const auto task = NewTask();
  internal::TaskEnded ended = FakeInterpreter::Ended(StartAndBegin(child, task), internal::CODE_SCRATCH_LIMIT);
  ended.set_scratch_files(true);
  child.End(ended);
  const Outcome outcome = AwaitOutcome(task);
  EXPECT_EQ(outcome.ending, Ending::kScratchLimit);
  EXPECT_EQ(outcome.evidence.limit, "scratch_files");
  EXPECT_EQ(outcome.evidence.allowed, kScratchInodes);
}

// Without a lane: what the kernel counted decides.
TEST(EndRefusedTest, WhateverTheTaskMadeOfItIsTheLimitsEnding) {
  for (const Ending ending : {Ending::kSucceeded, Ending::kRaised, Ending::kExited}) {
    Outcome outcome{.ending = ending, .result = {Value::Kind::kJson, "1"}};
    EndRefused(3, 512, &outcome);
    EXPECT_EQ(outcome.ending, Ending::kProcessLimit);
    EXPECT_EQ(outcome.evidence.limit, "processes");
    EXPECT_EQ(outcome.evidence.allowed, 512);
    EXPECT_THAT(outcome.evidence.detail, HasSubstr("refused 3"));
    EXPECT_EQ(outcome.result.bytes, "");
  }
}

TEST(EndRefusedTest, AnotherLimitComesFirstAndNoneRefusedChangesNothing) {
  Outcome timed_out{.ending = Ending::kTimedOut};
  EndRefused(3, 512, &timed_out);
  EXPECT_EQ(timed_out.ending, Ending::kTimedOut);
  Outcome succeeded{.ending = Ending::kSucceeded};
  EndRefused(0, 512, &succeeded);
  EXPECT_EQ(succeeded.ending, Ending::kSucceeded);
}

}  // namespace
}  // namespace gild
