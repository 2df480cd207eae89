// `gild run --follow`: what is printed when, and that nothing is printed twice.
#include "client/cli/follower.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <thread>

#include "client/cli/run_command.h"
#include "tests/client/fake_server.h"
#include "tests/client/followed_server.h"

namespace gild::cli {
namespace {

using testing::HasSubstr;

struct Said {
  int exit_code;
  std::string out;
  std::string err;
};

// What `gild run --follow` says, while `play` plays the server.
template <typename Play>
Said RunFollowed(const std::string& address, Play play) {
  RunOptions options;
  options.code = "pass";
  options.follow = true;
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  std::thread player(play);
  const int exit_code = RunTask(options, address, Terminal(ColorMode::kNever));
  player.join();
  return {exit_code, testing::internal::GetCapturedStdout(), testing::internal::GetCapturedStderr()};
}

v1::Outcome Succeeded(const std::string& out, const std::string& err = "") {
  v1::Outcome outcome;
  outcome.set_ending(v1::SUCCEEDED);
  outcome.set_stdout(out);
  outcome.set_stderr(err);
  return outcome;
}

TEST(FollowTest, WhatWasWatchedIsNotPrintedAgain) {
  FollowedServer server;
  const Said it = RunFollowed(server.address(), [&] {
    server.Print("one ", "warn ");
    server.Print("two ");
    server.EndWatch(grpc::Status::OK);
    v1::Outcome outcome = Succeeded("one two three\n", "warn ing\n");
    outcome.mutable_result()->set_json("42");
    server.EndRun(outcome);
  });
  EXPECT_EQ(it.exit_code, 0);
  EXPECT_EQ(it.out, "one two three\n42\n");
  EXPECT_EQ(it.err, "warn ing\n");
}

TEST(FollowTest, AWatchThatDoesNotEndIsNotWaitedFor) {
  FollowedServer server;
  const Said it = RunFollowed(server.address(), [&] {
    server.Print("begun, ");
    server.EndRun(Succeeded("begun, ended\n"));
  });
  EXPECT_EQ(it.out, "begun, ended\n");
  EXPECT_EQ(it.err, "");
}

TEST(FollowTest, ProgressIsALineNowAndThenWhereItCannotBeRedrawn) {
  FollowedServer server;
  const Said it = RunFollowed(server.address(), [&] {
    for (int done = 1; done <= 10; ++done) server.Progress(done, 10);
    server.EndWatch(grpc::Status::OK);
    server.EndRun(Succeeded(""));
  });
  EXPECT_EQ(it.out, "");
  // The first, and the last; more only if seconds have passed.
  EXPECT_THAT(it.err, testing::StartsWith("progress 1/10\n"));
  EXPECT_THAT(it.err, testing::EndsWith("progress 10/10\n"));
  EXPECT_LE(it.err.size(), std::string("progress 1/10\nprogress 2/10\nprogress 3/10\nprogress 10/10\n").size());
}

TEST(FollowTest, ProgressWithoutATotalIsACount) {
  FollowedServer server;
  const Said it = RunFollowed(server.address(), [&] {
    server.Progress(1234, 0);
    server.EndWatch(grpc::Status::OK);
    server.EndRun(Succeeded(""));
  });
  EXPECT_EQ(it.err, "progress 1234\n");
}

TEST(FollowTest, ProgressDoesNotCutALine) {
  FollowedServer server;
  const Said it = RunFollowed(server.address(), [&] {
    server.Print("", "half a");
    server.Progress(1, 2);
    server.Print("", " line\n");
    server.EndWatch(grpc::Status::OK);
    server.EndRun(Succeeded("", "half a line\n"));
  });
  EXPECT_EQ(it.err, "half a line\nprogress 1/2\n");
}

TEST(FollowTest, ATaskThatCannotBeWatchedIsToldOnce) {
  FollowedServer server;
  const Said it = RunFollowed(server.address(), [&] {
    server.EndWatch({grpc::StatusCode::RESOURCE_EXHAUSTED, "there are 256 watches already"});
    server.EndRun(Succeeded("at the end\n"));
  });
  EXPECT_EQ(it.exit_code, 0);
  EXPECT_EQ(it.out, "at the end\n");
  EXPECT_EQ(it.err,
            "gild: warning: cannot follow the task: there are 256 watches already; its output comes at its end\n");
}

TEST(FollowTest, AnOldServerIsTold) {
  FollowedServer server(/*announces=*/false);
  const Said it = RunFollowed(server.address(), [&] { server.EndRun(Succeeded("at the end\n")); });
  EXPECT_EQ(it.exit_code, 0);
  EXPECT_EQ(it.out, "at the end\n");
  EXPECT_EQ(it.err, "gild: warning: cannot follow the task: the server is too old; its output comes at its end\n");
}

TEST(FollowTest, ATaskThatIsOverBeforeItIsWatchedIsNoWarning) {
  FollowedServer server;
  const Said it = RunFollowed(server.address(), [&] {
    server.EndWatch({grpc::StatusCode::NOT_FOUND, "no such task"});
    server.EndRun(Succeeded("quick\n"));
  });
  EXPECT_EQ(it.out, "quick\n");
  EXPECT_EQ(it.err, "");
}

TEST(FollowTest, ARefusedTaskIsARefusal) {
  FakeServer server([](const v1::Task&, grpc::ServerContext*, v1::Outcome*) {
    return FakeServer::Refuse(grpc::StatusCode::RESOURCE_EXHAUSTED, "full", "QUEUE_FULL", 3);
  });
  const Said it = RunFollowed(server.address(), [] {});
  EXPECT_EQ(it.exit_code, 75);
  EXPECT_THAT(it.err, testing::Not(HasSubstr("follow")));
}

TEST(FollowTest, ABrokenStdoutCancelsTheTask) {
  FollowedServer server;
  testing::internal::CaptureStderr();
  fflush(stdout);
  const int stdout_before = dup(STDOUT_FILENO);
  const int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
  ASSERT_GE(full, 0);
  dup2(full, STDOUT_FILENO);
  RunOptions options;
  options.code = "pass";
  options.follow = true;
  server.Print("too much");
  const int exit_code = RunTask(options, server.address(), Terminal(ColorMode::kNever));
  dup2(stdout_before, STDOUT_FILENO);
  close(stdout_before);
  close(full);
  server.AwaitCancel();
  EXPECT_EQ(exit_code, 125);
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "gild: cannot write to stdout: No space left on device\n");
}

}  // namespace
}  // namespace gild::cli
