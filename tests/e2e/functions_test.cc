// Functions by content hash: put once, called often, kept by interpreters, and put again when they are missing.
#include <gmock/gmock.h>
#include <signal.h>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "google/rpc/error_details.pb.h"
#include "tests/testing/server_fixture.h"

namespace gild::testing {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;

// Counts its calls in its own globals, which last as long as an interpreter keeps it.
constexpr char kCounter[] =
    "calls = 0\n"
    "def count(step=1, fail=False):\n"
    "    global calls\n"
    "    calls += step\n"
    "    if fail: raise ValueError('as asked')\n"
    "    return calls\n";

class FunctionsTest : public BothLanesFixture {
 protected:
  void SetUp() override {
    StartSmallServer();
    if (Lacks("cloudpickle")) GTEST_SKIP() << "no cloudpickle";
  }

  std::string Made(const std::string& entry, const std::vector<v1::Value>& arguments) {
    const v1::Outcome outcome = Run(gild::testing::Call(v1::CPU, "pickles.py", entry, arguments));
    EXPECT_EQ(outcome.ending(), v1::SUCCEEDED) << outcome.error().traceback();
    return outcome.result().raw();
  }
  std::string Pickled(const std::string& source, const std::string& name) {
    return Made("function", {Raw(source), Json("\"" + name + "\"")});
  }
  // The hash it is stored by.
  std::string Put(const std::string& pickled) {
    grpc::ClientContext context;
    v1::PutFunctionRequest request;
    request.set_pickled_function(pickled);
    v1::PutFunctionReply reply;
    const grpc::Status status = executor()->PutFunction(&context, request, &reply);
    EXPECT_TRUE(status.ok()) << status.error_message();
    EXPECT_EQ(reply.function_sha256().size(), 32u);
    return reply.function_sha256();
  }
  // `arguments` as the text of a call.
  v1::Task CallOf(const std::string& sha256, const std::string& arguments = "()") {
    v1::Task task;
    task.set_tag(GetParam());
    task.mutable_function()->set_function_sha256(sha256);
    task.mutable_function()->set_pickled_arguments(Made("arguments", {Json("\"" + arguments + "\"")}));
    return task;
  }
  std::string ReprOf(const v1::Outcome& outcome) {
    EXPECT_EQ(outcome.ending(), v1::SUCCEEDED) << outcome.DebugString();
    EXPECT_TRUE(outcome.result().has_pickled());
    const v1::Outcome repr =
        Run(gild::testing::Call(v1::CPU, "pickles.py", "result", {Raw(outcome.result().pickled())}));
    return repr.result().json();
  }
};
INSTANTIATE_IN_BOTH_LANES(FunctionsTest);

TEST_P(FunctionsTest, AFunctionIsCalledWithPickledArgumentsAndKeptFromCallToCall) {
  const std::string sha256 = Put(Pickled(kCounter, "count"));
  EXPECT_EQ(ReprOf(Run(CallOf(sha256))), "\"1\"");
  EXPECT_EQ(ReprOf(Run(CallOf(sha256, "(10)"))), "\"11\"");
  const v1::Outcome raised = Run(CallOf(sha256, "(step=0, fail=True)"));
  EXPECT_EQ(raised.ending(), v1::RAISED);
  EXPECT_EQ(raised.error().type(), "ValueError");
  EXPECT_EQ(raised.error().message(), "as asked");
  const v1::Outcome repr = Run(gild::testing::Call(v1::CPU, "pickles.py", "result", {Raw(raised.error().pickled())}));
  EXPECT_EQ(repr.result().json(), "\"ValueError('as asked')\"");
  EXPECT_EQ(ReprOf(Run(CallOf(sha256))), "\"12\"");
}

TEST_P(FunctionsTest, AFunctionByReferenceAndAResultThatOnlyCloudpickleSends) {
  EXPECT_EQ(ReprOf(Run(CallOf(Put(Made("by_reference", {Json("\"math\""), Json("\"hypot\"")})), "(3, 4)"))), "\"5.0\"");
  const std::string maker = Put(Pickled("def adder(n):\n    return lambda m: n + m\n", "adder"));
  EXPECT_THAT(ReprOf(Run(CallOf(maker, "(3)"))), HasSubstr("<function adder.<locals>.<lambda>"));
  const v1::Outcome lock =
      Run(CallOf(Put(Pickled("import threading\ndef lock():\n    return threading.Lock()\n", "lock"))));
  EXPECT_EQ(lock.ending(), v1::RAISED);
  EXPECT_EQ(lock.error().type(), "TypeError") << lock.error().traceback();
}

TEST_P(FunctionsTest, AMissingFunctionIsNamed) {
  const std::string sha256 = Put(Pickled(kCounter, "count"));
  v1::Task task = CallOf(sha256);
  task.mutable_function()->set_function_sha256(std::string(32, '\x0F'));
  const grpc::Status status = TryRun(task);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  const auto error = DetailOf<google::rpc::ErrorInfo>(status);
  EXPECT_EQ(error.reason(), "FUNCTION_MISSING");
  EXPECT_EQ(error.metadata().at("function_sha256"), absl::BytesToHexString(std::string(32, '\x0F')));
  task.mutable_function()->set_function_sha256("short");
  EXPECT_EQ(TryRun(task).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_P(FunctionsTest, ASuccessorOfAnInterpreterGetsItAnew) {
  const std::string sha256 = Put(Pickled(kCounter, "count"));
  EXPECT_EQ(ReprOf(Run(CallOf(sha256))), "\"1\"");
  const v1::InterpreterStats before = Slot(slot());
  kill(before.pid(), SIGKILL);
  AwaitSuccessor(slot(), before.generation());
  EXPECT_EQ(ReprOf(Run(CallOf(sha256))), "\"1\"");
}

TEST_P(FunctionsTest, MoreFunctionsThanAnInterpreterKeepsAreStillThere) {
  constexpr int kFunctions = 300;  // kInterpreterFunctionsMax is 256
  const std::string pickled = Made("arguments", {Json("\"()\"")});
  std::vector<std::string> hashes;
  for (int i = 0; i < kFunctions; ++i) {
    // A callable each: functools.partial(int, i), by reference, in pickle's own text (protocol 0).
    hashes.push_back(Put(absl::StrCat("cfunctools\npartial\n(cbuiltins\nint\nI", i, "\ntR.")));
  }
  for (int round = 0; round < 2; ++round) {
    std::vector<std::unique_ptr<PendingRun>> runs;
    for (const std::string& sha256 : hashes) {
      v1::Task task;
      task.set_tag(GetParam());
      task.mutable_function()->set_function_sha256(sha256);
      task.mutable_function()->set_pickled_arguments(pickled);
      runs.push_back(RunLater(task));
    }
    // In pickle: one byte after K, or two after M.
    for (int i = 0; i < kFunctions; ++i) {
      const v1::Outcome& outcome = runs[i]->outcome();
      ASSERT_EQ(outcome.ending(), v1::SUCCEEDED) << outcome.DebugString();
      const std::string expected = i < 256 ? std::string{'K', char(i)} : std::string{'M', char(i & 0xFF), char(i >> 8)};
      EXPECT_THAT(outcome.result().pickled(), EndsWith(expected + ".")) << i;
    }
  }
}

TEST_P(FunctionsTest, WhatCannotBeUnpickledRaises) {
  v1::Outcome outcome = Run(CallOf(Put("no pickle")));
  EXPECT_EQ(outcome.ending(), v1::RAISED);
  EXPECT_EQ(outcome.error().type(), "_pickle.UnpicklingError") << outcome.DebugString();
  outcome = Run(CallOf(Put("cno_such_module\nf\n.")));
  EXPECT_EQ(outcome.error().type(), "ModuleNotFoundError");
  EXPECT_THAT(outcome.error().message(), HasSubstr("no_such_module"));
}

// By hand: what is larger than any result.
std::string PickledBytes(size_t count) {
  std::string pickled = "B";
  for (size_t i = 0; i < 4; ++i) pickled.push_back(static_cast<char>(count >> (8 * i)));
  return pickled + std::string(count, 'x');
}

TEST_P(FunctionsTest, LargestFunctionTakesTheLargestArguments) {
  const std::string sha256 = Put(PickledBytes((16 << 20) - 100) + "0cbuiltins\nlen\n.");
  v1::Task task;
  task.set_tag(GetParam());
  task.mutable_function()->set_function_sha256(sha256);
  constexpr size_t kBytes = (48 << 20) - 1000;
  task.mutable_function()->set_pickled_arguments(PickledBytes(kBytes) + "\x85}\x86.");
  EXPECT_EQ(ReprOf(Run(task)), absl::StrCat("\"", kBytes, "\""));
}

}  // namespace
}  // namespace gild::testing
