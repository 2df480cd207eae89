// What a body can be, and how it ends by itself: the same in both lanes.
#include "gmock/gmock.h"
#include "tests/testing/server_fixture.h"

namespace gild::testing {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Lt;
using ::testing::StartsWith;

class ScriptTest : public BothLanesFixture {};
INSTANTIATE_IN_BOTH_LANES(ScriptTest);

TEST_P(ScriptTest, PrintsAreCaptured) {
  StartSmallServer();
  v1::Outcome outcome = Run(Script(GetParam(), "import sys\nprint('hello')\nprint('oops', file=sys.stderr)"));
  EXPECT_EQ(outcome.ending(), v1::SUCCEEDED) << outcome.DebugString();
  EXPECT_EQ(outcome.stdout(), "hello\n");
  EXPECT_EQ(outcome.stderr(), "oops\n");
  EXPECT_FALSE(outcome.stdout_truncated());
  EXPECT_FALSE(outcome.stderr_truncated());
  EXPECT_FALSE(outcome.has_result());
  EXPECT_FALSE(outcome.has_error());
}

TEST_P(ScriptTest, BytesThatAreNotTextAreCapturedToo) {
  StartSmallServer();
  v1::Outcome outcome = Run(Script(GetParam(), "import sys\nsys.stdout.buffer.write(bytes([255, 0, 10]))"));
  EXPECT_EQ(outcome.ending(), v1::SUCCEEDED) << outcome.DebugString();
  EXPECT_EQ(outcome.stdout(), std::string("\xff\x00\n", 3));
}

TEST_P(ScriptTest, ReplySaysWhatItUsedAndWhatTheLockCost) {
  StartSmallServer();
  v1::Outcome outcome = Run(Script(GetParam(), "import time\nfor _ in range(20): time.sleep(0.001)"));
  ASSERT_EQ(outcome.ending(), v1::SUCCEEDED) << outcome.DebugString();
  EXPECT_EQ(outcome.task_id().size(), 36u);
  EXPECT_EQ(outcome.lane(), lane());
  const v1::Usage& usage = outcome.usage();
  EXPECT_EQ(usage.interpreter(), slot() + "#1");
  EXPECT_TRUE(usage.has_queue() && usage.has_dispatch() && usage.has_cpu());
  EXPECT_GE(Seconds(usage.run()), 0.02);
  EXPECT_TRUE(usage.has_core());
  EXPECT_EQ(usage.has_peak_memory_bytes(), GetParam() == v1::CPU) << "shared memory is nobody's own";
  ASSERT_TRUE(outcome.has_lock());
  EXPECT_GE(outcome.lock().takes(), 20u);
  EXPECT_LE(outcome.lock().contended_takes(), outcome.lock().takes());
  EXPECT_LE(Seconds(outcome.lock().longest_hold()), Seconds(outcome.lock().hold()));
  EXPECT_LE(Seconds(outcome.lock().wait()) + Seconds(outcome.lock().hold()), Seconds(usage.run()) * 1.02);
}

TEST_P(ScriptTest, VerdictSaysWhatKindOfWorkItWas) {
  StartSmallServer();
  const std::pair<const char*, v1::Verdict::Kind> kWork[] = {
      {"for i in range(3_000_000): pass", v1::Verdict::LOCK_BOUND},
      {"import time\ntime.sleep(0.1)", v1::Verdict::IO_BOUND},
      {"import hashlib\nhashlib.pbkdf2_hmac('sha256', b'x', b'y', 300_000)", v1::Verdict::NATIVE}};
  for (const auto& [code, kind] : kWork) {
    v1::Outcome outcome = Run(Script(GetParam(), code));
    EXPECT_EQ(outcome.verdict().kind(), kind) << code << outcome.DebugString();
    EXPECT_NEAR(
        outcome.verdict().holding_share() + outcome.verdict().native_share() + outcome.verdict().waiting_share(), 1,
        1e-6);
  }
}

TEST_P(ScriptTest, TasksShareNoGlobals) {
  StartSmallServer();
  EXPECT_EQ(Run(Script(GetParam(), "assert __name__ == '__main__'\nmark = 1")).ending(), v1::SUCCEEDED);
  EXPECT_EQ(Run(Script(GetParam(), "assert 'mark' not in globals()")).ending(), v1::SUCCEEDED);
}

TEST_P(ScriptTest, EntryTakesAndReturnsJson) {
  StartSmallServer();
  v1::Outcome outcome = Run(Call(GetParam(), "scripts.py", "add", {Json("1"), Json("41")}));
  EXPECT_EQ(outcome.ending(), v1::SUCCEEDED) << outcome.DebugString();
  EXPECT_EQ(outcome.result().json(), R"({"sum":42})");
  EXPECT_EQ(Run(Call(GetParam(), "scripts.py", "pretty", {Json(R"({"b": [1, 2.5, null], "a": "ä"})")})).result().json(),
            R"("{\"a\": \"\\u00e4\", \"b\": [1, 2.5, null]}")");
}

TEST_P(ScriptTest, EntryTakesAndReturnsBytesUntouched) {
  StartSmallServer();
  v1::Outcome outcome = Run(Call(GetParam(), "scripts.py", "reverse", {Raw(std::string("\x00\xff\nz", 4))}));
  EXPECT_EQ(outcome.ending(), v1::SUCCEEDED) << outcome.DebugString();
  EXPECT_EQ(outcome.result().kind_case(), v1::Value::kRaw);
  EXPECT_EQ(outcome.result().raw(), std::string("z\n\xff\x00", 4));
}

TEST_P(ScriptTest, LargeValuesPassBothWays) {
  StartSmallServer();
  std::string data(16 << 20, 'x');
  data.back() = 'y';
  v1::Outcome outcome = Run(Call(GetParam(), "scripts.py", "reverse", {Raw(data)}));
  EXPECT_EQ(outcome.ending(), v1::SUCCEEDED) << outcome.evidence().DebugString();
  EXPECT_TRUE(outcome.result().raw() == std::string(data.rbegin(), data.rend())) << outcome.result().raw().size();
}

TEST_P(ScriptTest, ArgumentsOfBothKindsMix) {
  StartSmallServer();
  v1::Outcome outcome =
      Run(Call(GetParam(), "scripts.py", "kinds", {Json("1"), Raw("1"), Json("\"1\""), Json("null")}));
  EXPECT_EQ(outcome.result().json(), R"(["int","bytes","str","NoneType"])") << outcome.DebugString();
}

TEST_P(ScriptTest, DottedEntryReachesIntoAClass) {
  StartSmallServer();
  EXPECT_EQ(Run(Call(GetParam(), "scripts.py", "Model.predict", {Json("21")})).result().json(), "42");
}

TEST_P(ScriptTest, EntryThatReturnsNothingReturnsNull) {
  StartSmallServer();
  EXPECT_EQ(Run(Call(GetParam(), "scripts.py", "nothing")).result().json(), "null");
}

TEST_P(ScriptTest, EventLoopRunsInside) {
  StartSmallServer();
  v1::Outcome outcome = Run(Call(GetParam(), "scripts.py", "on_an_event_loop"));
  EXPECT_EQ(outcome.result().json(), R"(["one","other"])") << outcome.DebugString();
}

TEST_P(ScriptTest, RaisedErrorHasTypeMessageAndTraceback) {
  StartSmallServer();
  v1::Outcome outcome = Run(Call(GetParam(), "scripts.py", "fail", {Json("\"no such luck\"")}));
  EXPECT_EQ(outcome.ending(), v1::RAISED);
  EXPECT_EQ(outcome.error().type(), "ValueError");
  EXPECT_EQ(outcome.error().message(), "no such luck");
  EXPECT_THAT(outcome.error().traceback(), StartsWith("Traceback (most recent call last):"));
  EXPECT_THAT(outcome.error().traceback(), HasSubstr("in fail"));
  EXPECT_THAT(outcome.error().traceback(), HasSubstr("raise ValueError(message)")) << "the source line";
  EXPECT_THAT(outcome.error().traceback(), EndsWith("ValueError: no such luck\n"));
}

TEST_P(ScriptTest, ErrorOfAModuleHasAQualifiedType) {
  StartSmallServer();
  EXPECT_EQ(Run(Script(GetParam(), "import json\njson.loads('{')")).error().type(), "json.decoder.JSONDecodeError");
}

TEST_P(ScriptTest, ErrorThatCannotBePrintedIsStillAnError) {
  StartSmallServer();
  v1::Outcome outcome = Run(Call(GetParam(), "scripts.py", "fail_oddly"));
  EXPECT_EQ(outcome.ending(), v1::RAISED);
  EXPECT_THAT(outcome.error().type(), HasSubstr("OddError"));
}

TEST_P(ScriptTest, ErrorTextIsBoundedAndKeepsTheInnermostFrames) {
  StartSmallServer();
  v1::Outcome outcome = Run(Call(GetParam(), "scripts.py", "fail_deeply", {Json("500")}));
  EXPECT_EQ(outcome.ending(), v1::RAISED);
  EXPECT_EQ(outcome.error().type(), "ValueError");
  EXPECT_THAT(outcome.error().message().size(), Lt(4097u));
  EXPECT_THAT(outcome.error().traceback().size(), Lt(65537u));
  EXPECT_GT(outcome.error().message().size(), 1000u);
}

TEST_P(ScriptTest, BrokenSyntaxIsRaised) {
  StartSmallServer();
  v1::Outcome outcome = Run(Script(GetParam(), "print('a'\n"));
  EXPECT_EQ(outcome.ending(), v1::RAISED);
  EXPECT_EQ(outcome.error().type(), "SyntaxError");
}

TEST_P(ScriptTest, MissingEntryIsRaised) {
  StartSmallServer();
  v1::Outcome outcome = Run(Call(GetParam(), "scripts.py", "no_such_entry"));
  EXPECT_EQ(outcome.ending(), v1::RAISED);
  EXPECT_EQ(outcome.error().type(), "EntryNotFound");
  EXPECT_THAT(outcome.error().message(), HasSubstr("no_such_entry"));
}

TEST_P(ScriptTest, UnserialisableResultIsRaised) {
  StartSmallServer();
  v1::Outcome outcome = Run(Call(GetParam(), "scripts.py", "unserialisable"));
  EXPECT_EQ(outcome.ending(), v1::RAISED);
  EXPECT_EQ(outcome.error().type(), "TypeError");
  EXPECT_FALSE(outcome.has_result());
}

TEST_P(ScriptTest, SystemExitIsExitedWithItsCode) {
  StartSmallServer();
  for (auto [code, wanted] : {std::pair{"raise SystemExit(3)", 3}, {"import sys; sys.exit()", 0}, {"exit(0)", 0}}) {
    v1::Outcome outcome = Run(Script(GetParam(), code));
    EXPECT_EQ(outcome.ending(), v1::EXITED) << code;
    EXPECT_EQ(outcome.evidence().exit_code(), wanted) << code;
  }
  EXPECT_EQ(Slot(slot()).generation(), 1u) << "costs no interpreter";
}

TEST_P(ScriptTest, SystemExitWithATextPrintsItAndIsOne) {
  StartSmallServer();
  v1::Outcome outcome = Run(Script(GetParam(), "raise SystemExit('good bye')"));
  EXPECT_EQ(outcome.ending(), v1::EXITED);
  EXPECT_EQ(outcome.evidence().exit_code(), 1);
  EXPECT_EQ(outcome.stderr(), "good bye\n");
}

TEST_P(ScriptTest, OsExitIsExitedWithItsCodeAndKeepsTheOutput) {
  StartSmallServer();
  v1::Outcome outcome = Run(Call(GetParam(), "crashes.py", "leave", {Json("7")}));
  EXPECT_EQ(outcome.ending(), v1::EXITED) << outcome.DebugString();
  EXPECT_EQ(outcome.evidence().exit_code(), 7);
  EXPECT_EQ(outcome.stdout(), "before\n");
  AwaitSuccessor(slot(), 1);
  EXPECT_EQ(Run(Script(GetParam(), "pass")).ending(), v1::SUCCEEDED);
}

class AutoTest : public ServerFixture {};

TEST_F(AutoTest, RunsInTheCpuLane) {
  StartSmallServer();
  EXPECT_EQ(Run(Script(v1::AUTO, "pass")).lane(), v1::CPU_LANE);
}

}  // namespace
}  // namespace gild::testing
