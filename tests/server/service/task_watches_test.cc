// Executor.Watch, and the id that Run announces for it. The lane is a fake: what a task has printed is what it is told.
#include "server/service/task_watches.h"

#include <gmock/gmock.h>
#include <grpcpp/completion_queue.h>

#include "absl/synchronization/notification.h"
#include "google/rpc/error_details.pb.h"
#include "server/task/capacity.h"
#include "tests/server/service/rpc_fixture.h"

namespace gild {
namespace {

using ::testing::HasSubstr;

class TaskWatchesTest : public RpcServerTest {
 protected:
  // A client's side of a watch.
  class Watcher {
   public:
    Watcher(v1::Executor::Stub* executor, const std::string& task_id) {
      v1::WatchRequest request;
      request.set_task_id(task_id);
      reader_ = executor->Watch(&context_, request);
    }
    ~Watcher() {
      context_.TryCancel();
      Finish();
    }

    // The watch is on.
    Watcher& AwaitOn() {
      reader_->WaitForInitialMetadata();
      return *this;
    }
    // False: it is over.
    bool TryNext(v1::WatchReply* reply) { return reader_->Read(reply); }
    v1::WatchReply Next() {
      v1::WatchReply reply;
      EXPECT_TRUE(TryNext(&reply)) << "the watch is over";
      return reply;
    }
    // All that is still to come.
    std::vector<v1::WatchReply> Rest() {
      std::vector<v1::WatchReply> replies;
      for (v1::WatchReply reply; TryNext(&reply);) replies.push_back(reply);
      return replies;
    }
    grpc::Status Finish() {
      Rest();
      if (!status_) status_ = reader_->Finish();
      return *status_;
    }

   private:
    grpc::ClientContext context_;
    std::unique_ptr<grpc::ClientReader<v1::WatchReply>> reader_;
    std::optional<grpc::Status> status_;
  };

  // A call whose task waits or runs.
  class AnnouncedRun {
   public:
    explicit AnnouncedRun(v1::Executor::Stub* executor) {
      v1::RunRequest request = Request(v1::IO);
      request.set_announce_id(true);
      call_ = executor->PrepareAsyncRun(&context_, request, &queue_);
      call_->StartCall();
      call_->ReadInitialMetadata(&context_);
      EXPECT_EQ(Await(), &context_);
      const auto& metadata = context_.GetServerInitialMetadata();
      const auto id = metadata.find("gild-task-id");
      EXPECT_NE(id, metadata.end());
      if (id != metadata.end()) task_id_.assign(id->second.data(), id->second.size());
    }
    ~AnnouncedRun() {
      Cancel();
      Finish();
      queue_.Shutdown();
      EXPECT_EQ(Await(), nullptr);
    }

    const std::string& task_id() const { return task_id_; }
    void Cancel() { context_.TryCancel(); }
    grpc::Status Finish() {
      if (!status_) {
        call_->Finish(&reply_, &status_.emplace(), &reply_);
        EXPECT_EQ(Await(), &reply_);
      }
      return *status_;
    }

   private:
    // The tag that comes next; null: none will.
    void* Await() {
      void* tag = nullptr;
      bool ok = false;
      return queue_.Next(&tag, &ok) ? tag : nullptr;
    }

    grpc::ClientContext context_;
    grpc::CompletionQueue queue_;
    std::unique_ptr<grpc::ClientAsyncResponseReader<v1::RunReply>> call_;
    std::string task_id_;
    v1::RunReply reply_;
    std::optional<grpc::Status> status_;
  };

  static std::string Out(const std::vector<v1::WatchReply>& replies) {
    std::string out;
    for (const v1::WatchReply& reply : replies) out += reply.stdout();
    return out;
  }

  void StartReady() {
    Start();
    scheduler_->SlotReady(LaneKind::kIo, 0, {.threads = 1000}, NowNs());
  }
  // One that runs in the I/O lane.
  std::shared_ptr<const Task> RunTask() {
    calls_.push_back(Run(Request(v1::IO)));
    return io_.AwaitStart(calls_.size());
  }
  std::unique_ptr<Watcher> Watch(const std::string& task_id) {
    return std::make_unique<Watcher>(executor_.get(), task_id);
  }
  grpc::Status TryWatch(const std::string& task_id) { return Watch(task_id)->Finish(); }

  // With what it has printed and told.
  void EndWithOutput(const Task& task) {
    const Glimpse printed = io_.Printed(task);
    Outcome outcome;
    outcome.ending = Ending::kSucceeded;
    outcome.started = true;
    outcome.out = printed.out;
    outcome.err = printed.err;
    outcome.progress = printed.progress;
    scheduler_->Ended({{task.serial, outcome}}, NowNs());
  }

  void TearDown() override {
    RpcServerTest::TearDown();
    for (const auto& call : calls_) call->status.wait();
  }

  std::vector<std::unique_ptr<Call>> calls_;
};

TEST_F(TaskWatchesTest, AWatcherIsToldWhatATaskPrintsWhileItRuns) {
  StartReady();
  const auto task = RunTask();
  io_.Print(*task, "before ");
  const auto watcher = Watch(task->id);
  EXPECT_EQ(watcher->Next().stdout(), "before ");
  io_.Print(*task, "while it is watched", "an error");
  const v1::WatchReply reply = watcher->Next();
  EXPECT_EQ(reply.stdout(), "while it is watched");
  EXPECT_EQ(reply.stderr(), "an error");
  EXPECT_FALSE(reply.has_progress());
  io_.Print(*task, "at the end");
  EndWithOutput(*task);
  EXPECT_EQ(watcher->Next().stdout(), "at the end");
  EXPECT_TRUE(watcher->Finish().ok());
}

TEST_F(TaskWatchesTest, ProgressIsToldWhenItChanges) {
  StartReady();
  const auto task = RunTask();
  const auto watcher = Watch(task->id);
  io_.Print(*task, "", "", Progress{.done = 3, .total = 10});
  v1::WatchReply reply = watcher->Next();
  EXPECT_EQ(reply.progress().done(), 3u);
  EXPECT_EQ(reply.progress().total(), 10u);
  io_.Print(*task, "x");
  EXPECT_FALSE(watcher->Next().has_progress());
  io_.Print(*task, "", "", Progress{.done = 4, .total = 0});
  reply = watcher->Next();
  EXPECT_EQ(reply.progress().done(), 4u);
  EXPECT_EQ(reply.progress().total(), 0u);
  // Also what it said last before its end, however soon that was.
  io_.Print(*task, "", "", Progress{.done = 10, .total = 10});
  EndWithOutput(*task);
  EXPECT_EQ(watcher->Next().progress().done(), 10u);
  EXPECT_TRUE(watcher->Finish().ok());
}

TEST_F(TaskWatchesTest, AWaitingTaskIsSilentUntilItStarts) {
  Start();
  AnnouncedRun run(executor_.get());
  const auto watcher = Watch(run.task_id());
  watcher->AwaitOn();
  EXPECT_EQ(io_.started(), 0u);
  scheduler_->SlotReady(LaneKind::kIo, 0, {.threads = 1}, NowNs());
  const auto task = io_.AwaitStart();
  EXPECT_EQ(task->id, run.task_id());
  io_.Print(*task, "begun");
  EXPECT_EQ(watcher->Next().stdout(), "begun");
  EndWithOutput(*task);
  EXPECT_TRUE(watcher->Finish().ok());
  EXPECT_TRUE(run.Finish().ok());
}

TEST_F(TaskWatchesTest, ATaskThatNeverStartsEndsItsWatch) {
  Start();
  AnnouncedRun run(executor_.get());
  const auto watcher = Watch(run.task_id());
  watcher->AwaitOn();
  run.Cancel();
  EXPECT_EQ(watcher->Rest().size(), 0u);
  EXPECT_TRUE(watcher->Finish().ok());
}

TEST_F(TaskWatchesTest, ATaskThatHasEndedOrNeverWasIsNotFound) {
  StartReady();
  const auto task = RunTask();
  EndWithOutput(*task);
  calls_.back()->status.wait();
  for (const std::string& id : {task->id, std::string("nobody's"), std::string(kTaskIdBytesMax, 'x')}) {
    const grpc::Status status = TryWatch(id);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::NOT_FOUND) << id;
    const auto error = DetailOf<google::rpc::ErrorInfo>(status);
    EXPECT_EQ(error.reason(), "TASK_UNKNOWN");
    EXPECT_EQ(error.metadata().at("task_id"), id);
  }
}

TEST_F(TaskWatchesTest, TheIdIsChecked) {
  StartReady();
  for (const std::string& id : {std::string(), std::string(kTaskIdBytesMax + 1, 'x')}) {
    const grpc::Status status = TryWatch(id);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << id;
    EXPECT_EQ(DetailOf<google::rpc::BadRequest>(status).field_violations(0).field(), "task_id");
  }
}

TEST_F(TaskWatchesTest, WatchersHaveABound) {
  StartReady();
  const auto task = RunTask();
  std::vector<std::unique_ptr<Watcher>> watchers;
  for (size_t i = 0; i < kTaskWatchesMax; ++i) watchers.push_back(Watch(task->id));
  for (const auto& watcher : watchers) watcher->AwaitOn();
  EXPECT_EQ(TryWatch(task->id).error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  watchers.pop_back();
  // The server may hear of it a moment later.
  io_.Print(*task, "there is room again");
  std::unique_ptr<Watcher> another;
  v1::WatchReply reply;
  do {
    another = Watch(task->id);
  } while (!another->TryNext(&reply));
  EXPECT_EQ(reply.stdout(), "there is room again");
  EndWithOutput(*task);
  for (const auto& watcher : watchers) EXPECT_EQ(Out(watcher->Rest()), "there is room again");
}

TEST_F(TaskWatchesTest, EachWatcherIsToldAllOfIt) {
  StartReady();
  const auto task = RunTask();
  const auto early = Watch(task->id);
  io_.Print(*task, "one ");
  EXPECT_EQ(early->Next().stdout(), "one ");
  const auto late = Watch(task->id);
  EXPECT_EQ(late->Next().stdout(), "one ");
  const auto neighbour = RunTask();
  const auto other = Watch(neighbour->id);
  other->AwaitOn();
  io_.Print(*task, "two");
  EndWithOutput(*task);
  for (const auto& watcher : {early.get(), late.get()}) {
    EXPECT_EQ(Out(watcher->Rest()), "two");
    EXPECT_TRUE(watcher->Finish().ok());
  }
  io_.Print(*neighbour, "mine");
  EndWithOutput(*neighbour);
  EXPECT_EQ(Out(other->Rest()), "mine");
}

TEST_F(TaskWatchesTest, MuchOutputComesInPieces) {
  StartReady();
  const auto task = RunTask();
  const std::string much(10 * kWatchReplyBytesMax + 1, 'x');
  const auto watcher = Watch(task->id);
  io_.Print(*task, much, "and an error");
  std::string out, err;
  while (out.size() < much.size() || err.empty()) {
    const v1::WatchReply reply = watcher->Next();
    EXPECT_LE(reply.stdout().size() + reply.stderr().size(), kWatchReplyBytesMax);
    out += reply.stdout();
    err += reply.stderr();
  }
  EXPECT_EQ(out, much);
  EXPECT_EQ(err, "and an error");
  EndWithOutput(*task);
  EXPECT_EQ(watcher->Rest().size(), 0u);
}

TEST_F(TaskWatchesTest, AReaderThatIsSlowGetsAllOfItAfterTheEnd) {
  StartReady();
  const auto task = RunTask();
  const auto watcher = Watch(task->id);
  watcher->AwaitOn();
  std::string all;
  // More than HTTP/2 takes off the server's hands unread.
  for (char letter = 'a'; letter <= 'h'; ++letter) {
    const std::string part(kWatchReplyBytesMax, letter);
    io_.Print(*task, part);
    all += part;
  }
  EndWithOutput(*task);
  calls_.back()->status.wait();
  EXPECT_EQ(Out(watcher->Rest()), all);
  EXPECT_TRUE(watcher->Finish().ok());
}

TEST_F(TaskWatchesTest, WhatIsKeptForSlowReadersHasABound) {
  StartReady();
  const std::string large(kWatchBytesKeptMax * 2 / 3, 'x');
  const auto end_watched = [&] {
    const auto task = RunTask();
    auto watcher = Watch(task->id);
    watcher->AwaitOn();
    // Nobody knows any of it before: HTTP/2's window has grown to half of it by the second time.
    End(*task, "y" + large);
    return watcher;
  };
  const auto first = end_watched();
  const auto second = end_watched();
  const grpc::Status dropped = second->Finish();
  EXPECT_EQ(dropped.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_THAT(dropped.error_message(), HasSubstr("the outcome has all of it"));
  EXPECT_EQ(Out(first->Rest()).size(), large.size() + 1);
  EXPECT_TRUE(first->Finish().ok());
  // Then there is room again; the server may hear of it a moment later.
  while (!end_watched()->Finish().ok()) continue;
}

TEST_F(TaskWatchesTest, NoEndIsMissedHoweverSoonItComes) {
  StartReady();
  for (int i = 0; i < 300; ++i) {
    const auto task = RunTask();
    io_.Print(*task, "all of it");
    const auto watcher = Watch(task->id);
    if (i % 3 == 0) watcher->AwaitOn();
    EndWithOutput(*task);
    const std::string out = Out(watcher->Rest());
    const grpc::Status status = watcher->Finish();
    if (status.error_code() == grpc::StatusCode::NOT_FOUND) {
      EXPECT_NE(i % 3, 0) << "it was on";
      continue;
    }
    EXPECT_TRUE(status.ok()) << status.error_message();
    EXPECT_EQ(out, "all of it");
  }
}

TEST_F(TaskWatchesTest, NobodyLooksWhenNobodyWatches) {
  StartReady();
  const auto task = RunTask();
  EXPECT_EQ(io_.peeks(), 0);
  {
    const auto watcher = Watch(task->id);
    io_.Print(*task, "x");
    watcher->Next();
  }
  // The server may hear of it a moment later; then two looks' time passes, and there were none.
  int before = -1;
  while (before != io_.peeks()) {
    before = io_.peeks();
    absl::Notification passed;
    poller_.get()->RunAt(NowNs() + 2 * TaskWatches::kLookNs, [&] { passed.Notify(); });
    passed.WaitForNotification();
  }
}

TEST_F(TaskWatchesTest, ShutdownEndsWatches) {
  StartReady();
  const auto task = RunTask();
  const auto watcher = Watch(task->id);
  watcher->AwaitOn();
  server_->Shutdown();
  EXPECT_TRUE(scheduler_->Idle());
  // OK, since its task has been stopped; or it was stopped itself.
  watcher->Finish();
}

// ---- the id that Run announces ----

TEST_F(TaskWatchesTest, AnIdIsAnnouncedToWhoAsksForIt) {
  StartReady();
  for (const bool announce : {true, false}) {
    v1::RunRequest request = Request(v1::IO);
    request.set_announce_id(announce);
    calls_.push_back(Run(request));
    const auto task = io_.AwaitStart(calls_.size());
    EndWithOutput(*task);
    const grpc::Status status = calls_.back()->status.get();
    ASSERT_TRUE(status.ok()) << status.error_message();
    EXPECT_EQ(calls_.back()->reply.outcome().task_id(), task->id);
    const auto& metadata = calls_.back()->context.GetServerInitialMetadata();
    const auto id = metadata.find("gild-task-id");
    ASSERT_EQ(id != metadata.end(), announce);
    if (announce) {
      EXPECT_EQ(std::string(id->second.data(), id->second.size()), task->id);
    }
  }
  calls_.clear();
}

TEST_F(TaskWatchesTest, AnEndThatIsQuickerThanTheAnnouncementWaitsForIt) {
  StartReady();
  v1::RunRequest request = Request(v1::IO);
  request.set_announce_id(true);
  for (int i = 1; i <= 300; ++i) {
    auto call = Run(request);
    EndWithOutput(*io_.AwaitStart(i));
    const grpc::Status status = call->status.get();
    ASSERT_TRUE(status.ok()) << status.error_message();
    EXPECT_EQ(call->context.GetServerInitialMetadata().count("gild-task-id"), 1u);
  }
}

TEST_F(TaskWatchesTest, ACancelledCallWithAnAnnouncementEnds) {
  StartReady();
  v1::RunRequest request = Request(v1::IO);
  request.set_announce_id(true);
  auto call = Run(request);
  io_.AwaitStart();
  call->context.TryCancel();
  io_.AwaitCancel();
  EXPECT_EQ(call->status.get().error_code(), grpc::StatusCode::CANCELLED);
  while (!scheduler_->Idle()) std::this_thread::yield();
}

TEST_F(TaskWatchesTest, ARefusedTaskHasNoId) {
  Start({.queued_tasks = 0, .held_bytes = 0});
  v1::RunRequest request = Request(v1::IO);
  request.set_announce_id(true);
  auto call = Run(request);
  EXPECT_EQ(call->status.get().error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(call->context.GetServerInitialMetadata().count("gild-task-id"), 0u);
}

}  // namespace
}  // namespace gild
