// Output is captured per task, whoever prints beside it, and bounded.
#include <set>
#include <sstream>

#include "gmock/gmock.h"
#include "tests/testing/doorbell.h"
#include "tests/testing/server_fixture.h"

namespace gild::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

std::string Line(int number, const char* kind, int line) {
  return "task " + std::to_string(number) + " " + kind + " " + std::to_string(line) + "\n";
}

class OutputTest : public BothLanesFixture {};
INSTANTIATE_IN_BOTH_LANES(OutputTest);

TEST_P(OutputTest, BeyondItsBoundIsCutAndSaidToBe) {
  StartSmallServer();
  v1::Task task = Call(GetParam(), "hogs.py", "output", {Json("10000")});
  task.mutable_limits()->set_output_bytes(150);
  v1::Outcome outcome = Run(task);
  EXPECT_EQ(outcome.ending(), v1::SUCCEEDED) << outcome.DebugString();
  EXPECT_EQ(outcome.stdout(), std::string(99, 'x') + "\n" + std::string(50, 'x'));
  EXPECT_TRUE(outcome.stdout_truncated());
  EXPECT_FALSE(outcome.stderr_truncated());
}

TEST_P(OutputTest, BoundHoldsForEachStream) {
  StartSmallServer();
  v1::Task task = Call(GetParam(), "hogs.py", "errors", {Json("10000")});
  task.mutable_limits()->set_output_bytes(150);
  v1::Outcome outcome = Run(task);
  EXPECT_EQ(outcome.stderr(), std::string(150, 'x'));
  EXPECT_TRUE(outcome.stderr_truncated());
  EXPECT_FALSE(outcome.stdout_truncated());
}

TEST_P(OutputTest, OneMebibyteIsKeptByDefault) {
  StartSmallServer();
  v1::Outcome outcome = Run(Call(GetParam(), "hogs.py", "output", {Json("2000000")}));
  EXPECT_EQ(outcome.stdout().size(), 1u << 20);
  EXPECT_TRUE(outcome.stdout_truncated());
}

TEST_P(OutputTest, OverflowEndsTheTaskThatAskedForIt) {
  StartSmallServer();
  v1::Task task = Call(GetParam(), "hogs.py", "output_for_ever");
  task.mutable_limits()->set_output_bytes(1000);
  task.mutable_limits()->set_output_overflow(v1::END_TASK);
  v1::Outcome outcome = Run(task);
  EXPECT_EQ(outcome.ending(), v1::OUTPUT_LIMIT) << outcome.DebugString();
  EXPECT_EQ(outcome.evidence().limit(), "output");
  EXPECT_EQ(outcome.evidence().allowed(), 1000u);
  EXPECT_EQ(outcome.stdout().size(), 1000u);
  EXPECT_TRUE(outcome.stdout_truncated());
}

TEST_P(OutputTest, ThreadsPrintIntoTheTaskThatStartedThem) {
  StartSmallServer();
  v1::Outcome outcome = Run(Call(GetParam(), "prints.py", "from_a_thread_of_a_thread"));
  EXPECT_EQ(outcome.ending(), v1::SUCCEEDED) << outcome.DebugString();
  EXPECT_EQ(outcome.stdout(), "outer\ninner\n");
}

TEST_P(OutputTest, ThreadLeftBehindIsAWarning) {
  StartSmallServer();
  v1::Outcome outcome = Run(Call(GetParam(), "prints.py", "leave_a_thread"));
  EXPECT_EQ(outcome.ending(), v1::SUCCEEDED) << outcome.DebugString();
  ASSERT_THAT(outcome.warnings(), Not(IsEmpty()));
  EXPECT_THAT(outcome.warnings(0), HasSubstr("thread"));
  EXPECT_EQ(Run(Script(GetParam(), "print(1)")).stdout(), "1\n");
  if (GetParam() == v1::CPU) {
    EXPECT_GT(AwaitSuccessor(slot(), 1).generation(), 1u) << "a task there must be the only thread";
  }
}

class SharedOutputTest : public ServerFixture {};

TEST_F(SharedOutputTest, RedirectionOfOneTaskIsNotItsNeighbours) {
  StartServer({"--io-interpreters", "1"});
  Doorbell doorbell;
  std::unique_ptr<PendingRun> redirects =
      RunLater(Call(v1::IO, "prints.py", "redirect_and_ring", {Json(std::to_string(doorbell.port()))}));
  doorbell.AwaitRings(1);
  EXPECT_EQ(Run(Script(v1::IO, "import sys\nprint('here')\nprint('there', file=sys.stderr)")).stdout(), "here\n");
  doorbell.LetIn();
  EXPECT_EQ(redirects->outcome().result().json(), "\"inside\\nfrom a thread\\n\"");
  EXPECT_EQ(redirects->outcome().stdout(), "outside\n");
  EXPECT_EQ(Run(Script(v1::IO, "print('later')")).stdout(), "later\n");
}

TEST_F(SharedOutputTest, OneHundredAndTwentyEightTasksPrintAtOnceAndNeverMix) {
  constexpr int kTasks = 128, kLines = 200;
  StartServer({"--io-interpreters", "1", "--io-threads", "128"});
  std::vector<std::unique_ptr<PendingRun>> runs;
  for (int i = 0; i < kTasks; ++i) {
    runs.push_back(
        RunLater(Call(v1::IO, "prints.py", "together",
                      {Json(std::to_string(i)), Json(std::to_string(kTasks)), Json(std::to_string(kLines))})));
  }
  for (int i = 0; i < kTasks; ++i) {
    std::string out, err;
    for (int line = 0; line < kLines; ++line) {
      out += Line(i, "line", line);
      err += Line(i, "error", line);
    }
    const v1::Outcome& outcome = runs[i]->outcome();
    EXPECT_EQ(outcome.ending(), v1::SUCCEEDED) << outcome.error().DebugString();
    EXPECT_TRUE(outcome.stdout() == out) << "task " << i << " heard " << outcome.stdout().substr(0, 300);
    EXPECT_TRUE(outcome.stderr() == err) << "task " << i << " heard " << outcome.stderr().substr(0, 300);
  }
}

TEST_F(SharedOutputTest, ThreadsOfManyTasksPrintIntoTheirOwn) {
  constexpr int kTasks = 16, kThreads = 4, kLines = 50;
  StartServer({"--io-interpreters", "1"});
  std::vector<std::unique_ptr<PendingRun>> runs;
  for (int i = 0; i < kTasks; ++i) {
    runs.push_back(RunLater(Call(v1::IO, "prints.py", "from_threads",
                                 {Json(std::to_string(i)), Json(std::to_string(kTasks)), Json(std::to_string(kThreads)),
                                  Json(std::to_string(kLines))})));
  }
  for (int i = 0; i < kTasks; ++i) {
    const v1::Outcome& outcome = runs[i]->outcome();
    EXPECT_EQ(outcome.ending(), v1::SUCCEEDED) << outcome.error().DebugString();
    // In any order, but every line whole and once.
    std::multiset<std::string> wanted, heard;
    for (int thread = 0; thread < 2 * kThreads; ++thread) {
      for (int line = 0; line < kLines; ++line) {
        wanted.insert("task " + std::to_string(i) + " thread " + std::to_string(thread) + " line " +
                      std::to_string(line));
      }
    }
    std::istringstream lines(outcome.stdout());
    for (std::string line; std::getline(lines, line);) heard.insert(line);
    EXPECT_TRUE(heard == wanted) << "task " << i << " heard " << outcome.stdout().substr(0, 300);
  }
}

}  // namespace
}  // namespace gild::testing
