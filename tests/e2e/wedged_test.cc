// A task holds the lock for ever: the server knows, says who, and everything else goes on.
#include "tests/testing/doorbell.h"
#include "tests/testing/server_fixture.h"

namespace gild::testing {
namespace {

class WedgedTest : public ServerFixture {
 protected:
  // Whether hold_the_lock has it for good: on its way there it has it too, for milliseconds.
  bool IsWedged(const std::string& slot) {
    const v1::Holder holder = Slot(slot).holder();
    return holder.task_name() == "hold_the_lock" && Seconds(holder.held_for()) > 0.2;
  }
  // The slot of the I/O lane where it has; empty: none yet.
  std::string WedgedSlot() {
    for (const char* slot : {"io-0", "io-1"}) {
      if (IsWedged(slot)) return slot;
    }
    return "";
  }
};

TEST_F(WedgedTest, ServerAnswersAndNamesTheHolder) {
  StartSmallServer();
  EXPECT_EQ(GetHealth(""), Health::kServing);
  EXPECT_EQ(GetHealth("gild.lane.io"), Health::kServing);
  EXPECT_EQ(GetHealth("gild.lane.cpu"), Health::kServing);
  EXPECT_EQ(GetHealth("gild.lane.none"), Health::kNotFound);

  v1::Task task = Call(v1::IO, "hangs.py", "hold_the_lock");
  *task.mutable_limits()->mutable_wall() = Ms(600'000);
  std::unique_ptr<PendingRun> run = RunLater(task);
  v1::InterpreterStats slot;
  Eventually("the holder is seen", [&] {
    slot = Slot("io-0");
    return slot.holder().task_name() == "hold_the_lock" && Seconds(slot.holder().held_for()) > 0.2;
  });
  EXPECT_EQ(slot.holder().task_id().size(), 36u);

  // The hold that goes on is counted in.
  double hold = Seconds(slot.lock().hold());
  Eventually("the hold grows", [&] { return Seconds(Slot("io-0").lock().hold()) > hold + 0.1; });

  // Health goes by evidence: somebody has wanted the lock for long, and not got it.
  std::unique_ptr<PendingRun> next = RunLater(Script(v1::IO, "print(1)"));
  Eventually("the lane is not serving", [&] { return GetHealth("gild.lane.io") == Health::kNotServing; });
  EXPECT_EQ(GetHealth("gild.lane.cpu"), Health::kServing);
  HttpReply ready = HttpGet("/readyz");
  EXPECT_EQ(ready.status, 503);
  EXPECT_EQ(ready.body, "io: not serving: no interpreter can run a task now\ncpu: serving\n");
  EXPECT_FALSE(LaneOf(v1::IO_LANE).serving());
  EXPECT_TRUE(LaneOf(v1::CPU_LANE).serving());
  EXPECT_EQ(HttpGet("/metrics").status, 200);
  EXPECT_EQ(HttpGet("/healthz").status, 200);
  EXPECT_EQ(Run(Script(v1::CPU, "print(1)")).stdout(), "1\n");
  EXPECT_EQ(Slot("io-0").holder().task_id(), slot.holder().task_id()) << "it still holds it";

  run->Cancel();
  Eventually("the lane serves again", [&] { return GetHealth("gild.lane.io") == Health::kServing; });
  EXPECT_EQ(next->outcome().stdout(), "1\n") << next->outcome().DebugString();
}

TEST_F(WedgedTest, WaitersAreCounted) {
  StartSmallServer();
  std::unique_ptr<PendingRun> first = RunLater(Call(v1::IO, "hangs.py", "hold_the_lock"));
  Eventually("the lock is held", [&] { return IsWedged("io-0"); });
  std::unique_ptr<PendingRun> second = RunLater(Script(v1::IO, "pass"));
  Eventually("somebody waits", [&] { return Slot("io-0").waiters() >= 1; });
}

TEST_F(WedgedTest, TaskEndsAtItsLimit) {
  StartSmallServer();
  v1::Task task = Call(v1::IO, "hangs.py", "hold_the_lock");
  *task.mutable_limits()->mutable_wall() = Ms(500);
  EXPECT_EQ(Run(task).ending(), v1::TIMED_OUT);
  EXPECT_EQ(Run(Script(v1::IO, "print(1)")).stdout(), "1\n");
}

TEST_F(WedgedTest, OneWedgedInterpreterLeavesTheLaneServing) {
  StartServer({"--io-interpreters", "2", "--cpu-interpreters", "1"});
  std::unique_ptr<PendingRun> run = RunLater(Call(v1::IO, "hangs.py", "hold_the_lock"));
  std::string wedged;
  Eventually("a lock is held", [&] { return !(wedged = WedgedSlot()).empty(); });
  // Two that wait: one lands beside the holder.
  Doorbell doorbell;
  std::unique_ptr<PendingRun> waiting[] = {RunLater(RingAndWait(v1::IO, doorbell.port())),
                                           RunLater(RingAndWait(v1::IO, doorbell.port()))};
  Eventually("a task has wanted the held lock for longer than the probe limit", [&] {
    const v1::InterpreterStats slot = Slot(wedged);
    return slot.waiters() >= 1 && slot.running() == 2 && Seconds(slot.holder().held_for()) > 2.5;
  });
  EXPECT_EQ(GetHealth("gild.lane.io"), Health::kServing);
  // The same in the other one, and the lane is not.
  std::unique_ptr<PendingRun> second = RunLater(Call(v1::IO, "hangs.py", "hold_the_lock"));
  Eventually("the other lock is held", [&] { return IsWedged(wedged == "io-0" ? "io-1" : "io-0"); });
  std::unique_ptr<PendingRun> more[] = {RunLater(Script(v1::IO, "pass")), RunLater(Script(v1::IO, "pass"))};
  Eventually("the lane does not serve", [&] { return GetHealth("gild.lane.io") == Health::kNotServing; });
  doorbell.LetIn();
}

}  // namespace
}  // namespace gild::testing
