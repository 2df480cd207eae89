// What a task prints and tells while it runs: Executor.Watch, gild.progress, `gild run --follow`.
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <unistd.h>

#include <csignal>
#include <optional>
#include <thread>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "tests/testing/command.h"
#include "tests/testing/doorbell.h"
#include "tests/testing/server_fixture.h"

namespace gild::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

// A Run whose task's id is known while it waits and runs. Its end cancels it.
class AnnouncedRun : public grpc::ClientUnaryReactor {
 public:
  AnnouncedRun(v1::Executor::Stub* stub, const v1::Task& task) {
    *request_.mutable_task() = task;
    request_.set_announce_id(true);
    stub->async()->Run(&context_, &request_, &reply_, this);
    StartCall();
  }
  ~AnnouncedRun() override {
    context_.TryCancel();
    ended_.WaitForNotification();
  }

  std::string task_id() {
    announced_.WaitForNotification();
    const auto& metadata = context_.GetServerInitialMetadata();
    const auto id = metadata.find("gild-task-id");
    if (id == metadata.end()) throw std::runtime_error("no id was announced");
    return {id->second.data(), id->second.size()};
  }
  const v1::Outcome& outcome() {
    ended_.WaitForNotification();
    EXPECT_TRUE(status_.ok()) << status_.error_message();
    return reply_.outcome();
  }

 private:
  void OnReadInitialMetadataDone(bool) override { announced_.Notify(); }
  void OnDone(const grpc::Status& status) override {
    status_ = status;
    ended_.Notify();
  }

  grpc::ClientContext context_;
  v1::RunRequest request_;
  v1::RunReply reply_;
  grpc::Status status_;
  absl::Notification announced_;
  absl::Notification ended_;
};

// What a watcher has heard so far.
class Watcher {
 public:
  Watcher(v1::Executor::Stub* stub, const std::string& task_id) {
    v1::WatchRequest request;
    request.set_task_id(task_id);
    reader_ = stub->Watch(&context_, request);
  }
  ~Watcher() {
    context_.TryCancel();
    Finish();
  }

  void AwaitOn() { reader_->WaitForInitialMetadata(); }
  bool Hear() {
    v1::WatchReply reply;
    if (!reader_->Read(&reply)) return false;
    out += reply.stdout();
    err += reply.stderr();
    if (reply.has_progress()) progress = reply.progress();
    return true;
  }
  void HearUntil(const std::function<bool()>& enough) {
    while (!enough()) {
      if (!Hear()) throw std::runtime_error("the watch is over; it heard: " + out);
    }
  }
  grpc::Status Finish() {
    while (Hear()) continue;
    if (!status_) status_ = reader_->Finish();
    return *status_;
  }

  std::string out, err;
  std::optional<v1::Progress> progress;

 private:
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReader<v1::WatchReply>> reader_;
  std::optional<grpc::Status> status_;
};

class WatchTest : public BothLanesFixture {
 protected:
  v1::Task Watched(const std::string& entry, const std::vector<v1::Value>& arguments = {}) {
    return Call(GetParam(), "watched.py", entry, arguments);
  }
};
INSTANTIATE_IN_BOTH_LANES(WatchTest);

TEST_P(WatchTest, OutputArrivesWhileTheTaskRuns) {
  LetCpuTasksRing();
  StartSmallServer();
  Doorbell doorbell;
  AnnouncedRun run(executor(), Watched("print_twice", {Json(std::to_string(doorbell.port()))}));
  Watcher watcher(executor(), run.task_id());
  watcher.HearUntil([&] { return watcher.out == "before\n" && watcher.err == "an error\n"; });
  doorbell.AwaitRings(1);
  doorbell.LetIn();
  EXPECT_TRUE(watcher.Finish().ok());
  EXPECT_EQ(watcher.out, "before\nafter\n");
  EXPECT_EQ(run.outcome().stdout(), "before\nafter\n");
  EXPECT_EQ(run.outcome().task_id(), run.task_id());
}

TEST_P(WatchTest, ProgressArrivesWhileTheTaskRuns) {
  LetCpuTasksRing();
  StartSmallServer();
  for (const auto& [entry, first, last] : {std::tuple{"tell", 3, 10}, {"tell_from_a_thread", 1, 4}}) {
    Doorbell doorbell;
    AnnouncedRun run(executor(), Watched(entry, {Json(std::to_string(doorbell.port()))}));
    Watcher watcher(executor(), run.task_id());
    watcher.HearUntil([&] { return watcher.progress.has_value(); });
    EXPECT_EQ(watcher.progress->done(), first) << entry;
    EXPECT_EQ(watcher.progress->total(), last);
    doorbell.AwaitRings(1);
    doorbell.LetIn();
    EXPECT_TRUE(watcher.Finish().ok());
    EXPECT_EQ(run.outcome().ending(), v1::SUCCEEDED) << run.outcome().DebugString();
    // However soon it ended after it.
    EXPECT_EQ(watcher.progress->done(), last) << entry;
  }
}

TEST_P(WatchTest, ACoroutineTellsItsProgress) {
  LetCpuTasksRing();
  StartSmallServer();
  for (int turn = 0; turn < 2; ++turn) {  // the second goes straight to the event loop, where there is one
    Doorbell doorbell;
    AnnouncedRun run(executor(), Watched("tell_from_a_coroutine", {Json(std::to_string(doorbell.port()))}));
    Watcher watcher(executor(), run.task_id());
    watcher.HearUntil([&] { return watcher.progress.has_value(); });
    EXPECT_EQ(watcher.progress->done(), 1u);
    doorbell.AwaitRings(1);
    doorbell.LetIn();
    EXPECT_TRUE(watcher.Finish().ok());
    EXPECT_EQ(run.outcome().ending(), v1::SUCCEEDED) << run.outcome().DebugString();
    EXPECT_EQ(watcher.progress->done(), 3u);
  }
}

TEST_P(WatchTest, ProgressIsWholeNumbers) {
  StartSmallServer();
  const v1::Outcome outcome = Run(Watched("tell_nonsense"));
  EXPECT_EQ(outcome.ending(), v1::SUCCEEDED) << outcome.error().traceback();
}

TEST_P(WatchTest, WhatATaskDoesToGildIsNotMetByTheNext) {
  StartSmallServer();
  EXPECT_EQ(Run(Watched("break_gild")).ending(), v1::SUCCEEDED);
  const v1::Outcome next = Run(Script(GetParam(), "import gild\ngild.progress(1, 2)\nprint(gild.__doc__ != None)"));
  EXPECT_EQ(next.stdout(), "True\n") << next.error().traceback();
  EXPECT_EQ(Slot(slot()).generation(), 1u) << "another interpreter says nothing";
}

TEST_P(WatchTest, AForkedProcessIsNotItsTask) {
  StartSmallServer();
  AnnouncedRun run(executor(), WithProcesses(Watched("tell_and_fork")));
  Watcher watcher(executor(), run.task_id());
  const grpc::Status status = watcher.Finish();
  EXPECT_EQ(run.outcome().ending(), v1::SUCCEEDED) << run.outcome().DebugString();
  EXPECT_EQ(run.outcome().stdout(), "");
  if (status.ok()) {  // else it was quicker than we
    EXPECT_EQ(watcher.progress->done(), 1u);
  }
}

TEST_P(WatchTest, AWaitingTaskIsSilentUntilItStarts) {
  LetCpuTasksRing();
  StartServer({"--io-interpreters", "1", "--io-threads", "1", "--cpu-interpreters", "1"});
  Doorbell doorbell;
  const auto first = RunLater(RingAndWait(GetParam(), doorbell.port()));
  doorbell.AwaitRings(1);
  AnnouncedRun second(executor(), Script(GetParam(), "print('my turn')"));
  Watcher watcher(executor(), second.task_id());
  watcher.AwaitOn();
  EXPECT_EQ(LaneOf(lane()).queued(), 1u);
  doorbell.LetIn();
  EXPECT_TRUE(watcher.Finish().ok());
  EXPECT_EQ(watcher.out, "my turn\n");
}

TEST_P(WatchTest, ATaskThatIsStoppedIsHeardToItsEnd) {
  StartSmallServer();
  v1::Task task = Watched("print_and_spin", {Json("\"last words\"")});
  *task.mutable_limits()->mutable_wall() = Ms(500);
  AnnouncedRun run(executor(), task);
  Watcher watcher(executor(), run.task_id());
  EXPECT_TRUE(watcher.Finish().ok());
  EXPECT_EQ(watcher.out, "last words\n");
  EXPECT_EQ(run.outcome().ending(), v1::TIMED_OUT);
}

TEST_P(WatchTest, ATaskThatCrashesIsHeardToItsEnd) {
  StartSmallServer();
  AnnouncedRun run(executor(), Watched("print_and_crash", {Json("\"last words\"")}));
  Watcher watcher(executor(), run.task_id());
  const grpc::Status status = watcher.Finish();
  EXPECT_EQ(run.outcome().ending(), v1::CRASHED);
  if (status.error_code() == grpc::StatusCode::NOT_FOUND) return;  // it was quicker than we
  EXPECT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(watcher.out, "last words\n");
}

TEST_P(WatchTest, ATaskThatHasEndedIsNotFound) {
  StartSmallServer();
  Watcher watcher(executor(), Run(Script(GetParam(), "print(1)")).task_id());
  const grpc::Status status = watcher.Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(DetailOf<google::rpc::ErrorInfo>(status).reason(), "TASK_UNKNOWN");
}

TEST_P(WatchTest, NothingIsHeardBeforeItIsPrintedNorTwice) {
  LetCpuTasksRing();
  StartSmallServer();
  Doorbell doorbell;
  v1::Task task = Watched("print_much", {Json(std::to_string(doorbell.port())), Json("40000")});
  task.mutable_limits()->set_output_bytes(4 << 20);
  AnnouncedRun run(executor(), task);
  Watcher first(executor(), run.task_id());
  Watcher second(executor(), run.task_id());
  for (Watcher* const watcher : {&first, &second}) watcher->AwaitOn();
  doorbell.AwaitRings(1);
  doorbell.LetIn();
  EXPECT_TRUE(first.Finish().ok());
  EXPECT_EQ(run.outcome().stdout().size(), 4'000'000u);
  EXPECT_TRUE(first.out == run.outcome().stdout()) << first.out.size();
  // A slow one: it has not read anything so far.
  EXPECT_TRUE(second.Finish().ok());
  EXPECT_TRUE(second.out == run.outcome().stdout()) << second.out.size();
}

// ---- gild run --follow ----

class FollowTest : public ServerFixture {
 protected:
  std::vector<std::string> Follow(const std::string& entry, const std::string& argument) {
    return {GILD_CLI, "run",   "--follow", "--server", address(), "--entry",
            entry,    "--arg", argument,   "--tag",    "io",      std::string(GILD_TESTCASES) + "/watched.py"};
  }
  // Reads until it has been said. Throws at the end of file, and after a minute.
  static std::string ReadUntil(int fd, const std::string& text) {
    std::string read_text;
    while (read_text.find(text) == std::string::npos) {
      pollfd waiting = {fd, POLLIN, 0};
      char block[4096];
      const ssize_t size = poll(&waiting, 1, 60'000) == 1 ? read(fd, block, sizeof block) : 0;
      if (size <= 0) throw std::runtime_error("it was not said: " + text + "; but: " + read_text);
      read_text.append(block, size);
    }
    return read_text;
  }
  static std::string ReadAll(int fd) {
    std::string text;
    char block[4096];
    for (ssize_t size = 0; (size = read(fd, block, sizeof block)) > 0;) text.append(block, size);
    return text;
  }
};

TEST_F(FollowTest, OutputComesThroughAPipeWhileTheTaskRuns) {
  StartSmallServer();
  Doorbell doorbell;
  int out[2];
  ASSERT_EQ(pipe2(out, O_CLOEXEC), 0);
  const int in = MemoryFile(), err = MemoryFile();
  const int gild = Spawn(Follow("print_twice", std::to_string(doorbell.port())), in, out[1], err);
  close(out[1]);
  EXPECT_EQ(ReadUntil(out[0], "before\n"), "before\n");
  doorbell.AwaitRings(1);
  doorbell.LetIn();
  EXPECT_EQ(ReadAll(out[0]), "after\n\"the result\"\n");
  EXPECT_EQ(AwaitExit(gild), 0);
  EXPECT_EQ(ContentOf(err), "an error\n");
  for (const int fd : {in, err, out[0]}) close(fd);
}

TEST_F(FollowTest, OutputThatNobodyReadsStopsTheTask) {
  StartSmallServer();
  Doorbell doorbell;
  int out[2];
  ASSERT_EQ(pipe2(out, O_CLOEXEC), 0);
  const int in = MemoryFile(), err = MemoryFile();
  const int gild = Spawn(Follow("print_and_spin", "\"to nobody\""), in, out[1], err);
  close(out[1]);
  close(out[0]);
  EXPECT_NE(AwaitExit(gild), 0);
  Eventually("the task has been stopped", [&] { return Endings(v1::IO_LANE, v1::CANCELLED) == 1; });
  for (const int fd : {in, err}) close(fd);
}

TEST_F(FollowTest, ASignalStopsTheTaskAndItsLastWordsAreHeard) {
  StartSmallServer();
  int out[2];
  ASSERT_EQ(pipe2(out, O_CLOEXEC), 0);
  const int in = MemoryFile(), err = MemoryFile();
  const int gild = Spawn(Follow("print_and_spin", "\"spinning\""), in, out[1], err);
  close(out[1]);
  ReadUntil(out[0], "spinning\n");
  kill(gild, SIGINT);
  EXPECT_EQ(AwaitExit(gild), 130);
  EXPECT_THAT(ContentOf(err), HasSubstr("cancelled"));
  Eventually("the task has been stopped", [&] { return Endings(v1::IO_LANE, v1::CANCELLED) == 1; });
  for (const int fd : {in, err, out[0]}) close(fd);
}

TEST_F(FollowTest, ProgressOnATerminalIsOneLineThatGoesAway) {
  StartSmallServer();
  Doorbell doorbell;
  int terminal, slave;
  winsize size = {.ws_row = 24, .ws_col = 60, .ws_xpixel = 0, .ws_ypixel = 0};
  ASSERT_EQ(openpty(&terminal, &slave, nullptr, nullptr, &size), 0);
  fcntl(terminal, F_SETFD, FD_CLOEXEC);
  fcntl(slave, F_SETFD, FD_CLOEXEC);
  std::vector<std::string> command = Follow("tell", std::to_string(doorbell.port()));
  command.insert(command.end(), {"--color", "never"});
  const int gild = Spawn(command, slave, slave, slave);
  close(slave);
  const std::string drawn = ReadUntil(terminal, "3/10");
  EXPECT_THAT(drawn, StartsWith("\rwatched.py [####"));
  doorbell.AwaitRings(1);
  doorbell.LetIn();
  const std::string rest = ReadAll(terminal);  // a terminal's other end that is closed reads as an error
  EXPECT_EQ(AwaitExit(gild), 0);
  EXPECT_THAT(rest, ::testing::EndsWith("\r\033[Knull\r\n")) << "the line is wiped before the result";
  close(terminal);
}

}  // namespace
}  // namespace gild::testing
