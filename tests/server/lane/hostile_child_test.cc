// Children that break the protocol.
#include <functional>
#include <string>

#include "gmock/gmock.h"
#include "tests/server/lane/lane_fixture.h"

namespace gild {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Pair;

class HostileChildTest : public LaneTest {
 protected:
  // One task, one hostile act: the task ends so, and the interpreter is replaced.
  void ExpectProtocolError(const std::function<void(FakeInterpreter&, const internal::StartTask&)>& act,
                           const std::string& detail) {
    FakeInterpreter child = OpenReady(CpuConfig());
    auto task = NewTask();
    task->limits.result_bytes = 10;
    act(child, StartAndBegin(child, task));
    const Outcome outcome = AwaitOutcome(task);
    EXPECT_EQ(outcome.ending, Ending::kProtocolError);
    EXPECT_THAT(outcome.evidence.detail, HasSubstr(detail));
    ReadyAgain();
    EXPECT_THAT(Restarts(), Contains(Pair("protocol_error", 1)));
  }
  void ExpectRefused(const std::function<void(internal::TaskEnded&)>& spoil, const std::string& detail) {
    ExpectProtocolError(
        [&](FakeInterpreter& child, const internal::StartTask& start) {
          internal::TaskEnded ended = FakeInterpreter::Ended(start, internal::CODE_RAISED);
          spoil(ended);
          child.End(ended);
        },
        detail);
  }
};

TEST_F(HostileChildTest, Garbage) {
  ExpectProtocolError([](FakeInterpreter& child, auto&) { child.SendBytes(std::string("\x02\0\0\0\xFF\xFF", 6)); },
                      "does not parse");
}
TEST_F(HostileChildTest, AFrameTooLarge) {
  ExpectProtocolError([](FakeInterpreter& child, auto&) { child.SendBytes("\xFF\xFF\xFF\xFF"); }, "4294967295 bytes");
}
TEST_F(HostileChildTest, AnEmptyFrame) {
  ExpectProtocolError([](FakeInterpreter& child, auto&) { child.SendBytes(std::string(4, '\0')); }, "says nothing");
}
TEST_F(HostileChildTest, ReadyTwice) {
  ExpectProtocolError([](FakeInterpreter& child, auto&) { child.Ready(); }, "a second time");
}
TEST_F(HostileChildTest, AnUnknownTask) {
  ExpectRefused([](internal::TaskEnded& ended) { ended.set_serial(4711); }, "4711");
}
TEST_F(HostileChildTest, AnUnknownEnding) {
  ExpectRefused([](internal::TaskEnded& ended) { ended.set_ending(static_cast<internal::CodeEnding>(99)); }, "99");
}
TEST_F(HostileChildTest, NoEnding) {
  ExpectRefused([](internal::TaskEnded& ended) { ended.set_ending(internal::CODE_UNSPECIFIED); }, "no such ending");
}
TEST_F(HostileChildTest, AStopThatNobodyAskedFor) {
  ExpectRefused([](internal::TaskEnded& ended) { ended.set_ending(internal::CODE_STOPPED); }, "nobody stopped");
}
TEST_F(HostileChildTest, AResultBeyondItsLimit) {
  ExpectRefused([](internal::TaskEnded& ended) { ended.mutable_result()->set_raw(std::string(11, 'x')); }, "a result");
}
TEST_F(HostileChildTest, ATypeTooLong) {
  ExpectRefused([](internal::TaskEnded& ended) { ended.set_error_type(std::string(kErrorTypeBytesMax + 1, 'x')); },
                "type");
}
TEST_F(HostileChildTest, AMessageTooLong) {
  ExpectRefused(
      [](internal::TaskEnded& ended) { ended.set_error_message(std::string(kErrorMessageBytesMax + 1, 'x')); },
      "message");
}
TEST_F(HostileChildTest, ATracebackTooLong) {
  ExpectRefused(
      [](internal::TaskEnded& ended) { ended.set_error_traceback(std::string(kErrorTracebackBytesMax + 1, 'x')); },
      "traceback");
}
TEST_F(HostileChildTest, ALockProfileOfTooManyFunctions) {
  ExpectRefused(
      [](internal::TaskEnded& ended) {
        for (int i = 0; i <= kLockProfileMax; ++i) ended.add_lock_profile();
      },
      "lock profile");
}
TEST_F(HostileChildTest, AFunctionInItsLockProfileWithALongName) {
  const std::string name(kFunctionNameBytesMax + 1, 'x');
  ExpectRefused([&](internal::TaskEnded& ended) { ended.add_lock_profile()->set_function(name); }, "lock profile");
}
TEST_F(HostileChildTest, AFileInItsLockProfileWithALongName) {
  const std::string name(kFunctionNameBytesMax + 1, 'x');
  ExpectRefused([&](internal::TaskEnded& ended) { ended.add_lock_profile()->set_file(name); }, "lock profile");
}
TEST_F(HostileChildTest, AnEndSaidTwice) {
  FakeInterpreter child = OpenReady(IoConfig());
  auto first = NewTask();
  auto second = NewTask();
  const internal::StartTask start = StartAndBegin(child, first);
  StartAndBegin(child, second);
  child.End(start, internal::CODE_SUCCEEDED);
  child.End(start, internal::CODE_SUCCEEDED);
  EXPECT_EQ(AwaitOutcome(first).ending, Ending::kSucceeded);
  EXPECT_EQ(AwaitOutcome(second).ending, Ending::kProtocolError);
}
TEST_F(HostileChildTest, ATaskEndedBeforeItsInterpreterIsReady) {
  Open(CpuConfig());
  FakeInterpreter child = slots_.AwaitInterpreter(0);
  internal::StartTask start;
  child.End(start, internal::CODE_SUCCEEDED);
  EXPECT_EQ(slots_.AwaitKill(0).generation, 1u);
  ReadyAgain();
}

}  // namespace
}  // namespace gild
