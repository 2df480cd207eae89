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
    task->collect = collect_;
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
  void ExpectFilesRefused(const std::vector<std::string>& paths, const std::string& detail) {
    ExpectRefused(
        [&paths](internal::TaskEnded& ended) {
          for (const std::string& path : paths) ended.add_files()->set_path(path);
        },
        detail);
  }

  std::vector<std::string> collect_ = {"*"};
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
TEST_F(HostileChildTest, APickledErrorTooLong) {
  ExpectRefused(
      [](internal::TaskEnded& ended) { ended.set_error_pickled(std::string(kErrorPickledBytesMax + 1, 'x')); },
      "a pickled error");
}
TEST_F(HostileChildTest, ASessionForgottenUnasked) {
  ExpectProtocolError([](FakeInterpreter& child, auto&) { child.Forgotten({1}); }, "not to forget");
}
TEST_F(HostileChildTest, ASessionForgottenTwice) {
  ExpectProtocolError(
      [this](FakeInterpreter& child, auto&) {
        EXPECT_TRUE(lane_->ForgetSessions(0, {1, 2}));
        child.AwaitForget();
        child.Forgotten({1});
        child.Forgotten({1});
      },
      "not to forget");
  AwaitSessionsGone(2);
}
TEST_F(HostileChildTest, TooManyWarnings) {
  ExpectRefused(
      [](internal::TaskEnded& ended) {
        for (int i = 0; i <= kWarningsMax; ++i) ended.add_warnings("w");
      },
      "17 warnings");
}
TEST_F(HostileChildTest, AWarningTooLong) {
  ExpectRefused([](internal::TaskEnded& ended) { ended.add_warnings(std::string(kWarningBytesMax + 1, 'w')); },
                "a warning of 1025 bytes");
}
TEST_F(HostileChildTest, FilesThatNobodyAskedFor) {
  collect_.clear();
  ExpectFilesRefused({"a"}, "collects none");
}
TEST_F(HostileChildTest, TooManyFiles) {
  std::vector<std::string> paths;
  for (int i = 0; i <= kCollectedFilesMax; ++i) paths.push_back(std::to_string(i));
  ExpectFilesRefused(paths, "257 files");
}
TEST_F(HostileChildTest, AFileOutsideOfTheFolder) { ExpectFilesRefused({"out/../../.bashrc"}, "a part `..`"); }
TEST_F(HostileChildTest, AFileWithAnAbsoluteName) { ExpectFilesRefused({"/etc/passwd"}, "is not relative"); }
TEST_F(HostileChildTest, AFileWhoseNameIsNoText) { ExpectFilesRefused({"\xff"}, "is not UTF-8"); }
TEST_F(HostileChildTest, AFileTwice) { ExpectFilesRefused({"a", "a"}, "is there twice"); }
TEST_F(HostileChildTest, AFileInAFile) { ExpectFilesRefused({"a", "a/b"}, "which is a file, too"); }
TEST_F(HostileChildTest, FilesBeyondTheResultsLimit) {
  ExpectRefused(
      [](internal::TaskEnded& ended) {
        ended.set_ending(internal::CODE_SUCCEEDED);
        ended.mutable_result()->set_raw("12345");
        for (const char* path : {"a", "b"}) {
          internal::File* const file = ended.add_files();
          file->set_path(path);
          file->set_content("123");
        }
      },
      "a result with its files of 11 bytes, at most 10 allowed");
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
