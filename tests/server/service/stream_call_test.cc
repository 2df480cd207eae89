#include "server/service/stream_call.h"

#include <gmock/gmock.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <set>

#include "gild/internal/frames.pb.h"
#include "google/rpc/error_details.pb.h"
#include "server/ipc/channel.h"
#include "server/task/capacity.h"
#include "tests/server/service/rpc_fixture.h"

namespace gild {
namespace {

using ::testing::HasSubstr;

class StreamCallTest : public RpcServerTest {
 protected:
  using Stream = grpc::ClientReaderWriter<v1::RunStreamRequest, v1::RunStreamReply>;

  void Open() { stream_ = executor_->RunStream(&context_); }

  static void Add(v1::RunStreamRequest* batch, uint64_t client_id, v1::Tag tag = v1::IO) {
    v1::StreamTask* const task = batch->add_tasks();
    task->set_client_id(client_id);
    *task->mutable_task() = Request(tag).task();
  }
  static v1::RunStreamRequest Batch(std::initializer_list<uint64_t> client_ids) {
    v1::RunStreamRequest batch;
    for (const uint64_t client_id : client_ids) Add(&batch, client_id);
    return batch;
  }
  void Send(const v1::RunStreamRequest& batch) { ASSERT_TRUE(stream_->Write(batch)); }

  // The next outcome, whichever message it comes in.
  v1::StreamOutcome Receive() {
    while (received_.empty()) {
      v1::RunStreamReply reply;
      if (!stream_->Read(&reply)) {
        ADD_FAILURE() << "the stream is over: " << stream_->Finish().error_message();
        return {};
      }
      for (auto& outcome : *reply.mutable_outcomes()) received_.push_back(std::move(outcome));
    }
    v1::StreamOutcome first = std::move(received_.front());
    received_.erase(received_.begin());
    return first;
  }
  // So many small ones first, and nothing large is expected of the next.
  static constexpr size_t kSmall = 40;
  void LearnThatOutcomesAreSmall() {
    for (size_t i = 1; i <= kSmall; ++i) {
      Send(Batch({i}));
      End(*io_.AwaitStart(i), "");
      Receive();
    }
  }
  grpc::Status Close() {
    stream_->WritesDone();
    return Over();
  }
  // The client has half-closed already.
  grpc::Status Over() {
    v1::RunStreamReply reply;
    EXPECT_FALSE(stream_->Read(&reply)) << reply.DebugString();
    return stream_->Finish();
  }

  grpc::ClientContext context_;
  std::unique_ptr<Stream> stream_;
  std::vector<v1::StreamOutcome> received_;
};

TEST_F(StreamCallTest, OutcomesComeAsTheyEndMatchedByTheClientsId) {
  Start();
  scheduler_->SlotReady(LaneKind::kIo, 0, {.threads = 10}, NowNs());
  Open();
  Send(Batch({70, 80, 90}));
  for (const int last : {3, 2, 1}) {
    End(*io_.AwaitStart(last), "it was number " + std::to_string(last));
    const v1::StreamOutcome outcome = Receive();
    EXPECT_EQ(outcome.client_id(), 60u + 10 * last);
    EXPECT_EQ(outcome.outcome().stdout(), "it was number " + std::to_string(last));
  }
  Send(Batch({70}));  // free again
  End(*io_.AwaitStart(4), "");
  EXPECT_EQ(Receive().client_id(), 70u);
  EXPECT_TRUE(Close().ok());
}

// What a lane sends for tasks of one message goes down together, but not only once all of them are submitted.
TEST_F(StreamCallTest, TheFirstOfManyTasksDoesNotWaitForTheLast) {
  constexpr int kTasks = 200;
  ChannelEnds ends = MakeChannelEnds().value();
  const auto channel = std::make_shared<Channel>(poller_.get(), std::move(ends.server), Channel::Events());
  int most_held = 0, run = 0;
  io_.on_run = [&] {
    internal::ToInterpreter frame;
    frame.mutable_stop()->set_serial(1);
    const int frame_bytes = static_cast<int>(EncodeFrame(frame).size());
    ASSERT_TRUE(channel->Send(frame).ok());
    int arrived = 0;
    ASSERT_EQ(ioctl(ends.child.get(), FIONREAD, &arrived), 0);
    most_held = std::max(most_held, ++run - arrived / frame_bytes);
  };
  Start();
  scheduler_->SlotReady(LaneKind::kIo, 0, {.threads = kTasks}, NowNs());
  Open();
  v1::RunStreamRequest batch;
  for (int i = 0; i < kTasks; ++i) Add(&batch, i);
  Send(batch);
  io_.AwaitStart(kTasks);
  EXPECT_GT(most_held, 1);
  EXPECT_LE(most_held, 100);
  for (int i = 1; i <= kTasks; ++i) End(*io_.AwaitStart(i), "");
  for (int i = 1; i <= kTasks; ++i) Receive();
  EXPECT_TRUE(Close().ok());
}

TEST_F(StreamCallTest, HalfCloseWaitsForTheLastOutcome) {
  Start();
  scheduler_->SlotReady(LaneKind::kIo, 0, {.threads = 10}, NowNs());
  Open();
  Send(Batch({1}));
  stream_->WritesDone();
  End(*io_.AwaitStart(), "late");
  EXPECT_EQ(Receive().outcome().stdout(), "late");
  EXPECT_TRUE(Over().ok());
}

TEST_F(StreamCallTest, AnEmptyStreamEndsWell) {
  Start();
  Open();
  EXPECT_TRUE(Close().ok());
}

TEST_F(StreamCallTest, AnInvalidTaskIsRefusedAloneAndNamesTheField) {
  Start();
  scheduler_->SlotReady(LaneKind::kIo, 0, {.threads = 10}, NowNs());
  Open();
  v1::RunStreamRequest batch = Batch({1, 2});
  batch.mutable_tasks(0)->mutable_task()->clear_source();
  Send(batch);
  const v1::StreamOutcome refused = Receive();
  EXPECT_EQ(refused.client_id(), 1u);
  EXPECT_EQ(refused.refusal().code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(refused.refusal().message(), HasSubstr("task.source"));
  const auto bad = DetailOf<google::rpc::BadRequest>(refused.refusal());
  ASSERT_EQ(bad.field_violations_size(), 1);
  EXPECT_EQ(bad.field_violations(0).field(), "task.source");
  End(*io_.AwaitStart(), "");
  EXPECT_EQ(Receive().client_id(), 2u);
  EXPECT_TRUE(Close().ok());
}

TEST_F(StreamCallTest, AnIdThatIsInFlightIsRefusedAndTheFirstGoesOn) {
  Start();
  scheduler_->SlotReady(LaneKind::kIo, 0, {.threads = 10}, NowNs());
  Open();
  Send(Batch({5, 5}));
  const v1::StreamOutcome refused = Receive();
  EXPECT_EQ(refused.client_id(), 5u);
  EXPECT_THAT(refused.refusal().message(), HasSubstr("client_id"));
  stream_->WritesDone();  // the first is in flight still, and is waited for
  End(*io_.AwaitStart(), "first");
  EXPECT_EQ(Receive().outcome().stdout(), "first");
  EXPECT_EQ(io_.started(), 1u);
  EXPECT_TRUE(Over().ok());
}

TEST_F(StreamCallTest, AFullQueueRefusesWithATimeToRetry) {
  Start({.queued_tasks = 1, .held_bytes = 1 << 20});
  Open();
  Send(Batch({1, 2}));
  const v1::StreamOutcome refused = Receive();
  EXPECT_EQ(refused.client_id(), 2u);
  EXPECT_EQ(refused.refusal().code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(DetailOf<google::rpc::RetryInfo>(refused.refusal()).retry_delay().nanos(), 50'000'000);
  scheduler_->SlotReady(LaneKind::kIo, 0, {.threads = 1}, NowNs());
  End(*io_.AwaitStart(), "");
  EXPECT_EQ(Receive().client_id(), 1u);
  EXPECT_TRUE(Close().ok());
}

TEST_F(StreamCallTest, ADrainingServerRefusesWhatComesAndEndsWhatRuns) {
  Start();
  scheduler_->SlotReady(LaneKind::kIo, 0, {.threads = 10}, NowNs());
  Open();
  Send(Batch({1}));
  const auto running = io_.AwaitStart();
  scheduler_->Drain();
  Send(Batch({2}));
  EXPECT_EQ(Receive().refusal().code(), grpc::StatusCode::UNAVAILABLE);
  End(*running, "");
  EXPECT_EQ(Receive().outcome().ending(), v1::SUCCEEDED);
  EXPECT_TRUE(Close().ok());
}

TEST_F(StreamCallTest, OneTaskIsCancelledByItsId) {
  Start();
  scheduler_->SlotReady(LaneKind::kIo, 0, {.threads = 10}, NowNs());
  Open();
  Send(Batch({1, 2}));
  const auto second = io_.AwaitStart(2);
  v1::RunStreamRequest cancel;
  cancel.add_cancel_client_ids(1);
  cancel.add_cancel_client_ids(77);  // is not in flight: nothing
  Send(cancel);
  const v1::StreamOutcome cancelled = Receive();
  EXPECT_EQ(cancelled.client_id(), 1u);
  EXPECT_EQ(cancelled.outcome().ending(), v1::CANCELLED);
  End(*second, "");
  EXPECT_EQ(Receive().client_id(), 2u);
  EXPECT_TRUE(Close().ok());
}

TEST_F(StreamCallTest, WhatWaitsIsWithdrawnByItsIdAndWhatRunsGoesOn) {
  Start();
  scheduler_->SlotReady(LaneKind::kIo, 0, {.threads = 1}, NowNs());
  Open();
  Send(Batch({1, 2}));
  const auto running = io_.AwaitStart(1);
  v1::RunStreamRequest withdraw;
  for (const uint64_t id : {1, 2, 77}) withdraw.add_withdraw_client_ids(id);
  Send(withdraw);
  const v1::StreamOutcome withdrawn = Receive();
  EXPECT_EQ(withdrawn.client_id(), 2u);
  EXPECT_EQ(withdrawn.outcome().ending(), v1::CANCELLED);
  End(*running, "");
  EXPECT_EQ(Receive().outcome().ending(), v1::SUCCEEDED);
  EXPECT_TRUE(Close().ok());
}

TEST_F(StreamCallTest, ABrokenStreamStopsItsTasks) {
  Start();
  scheduler_->SlotReady(LaneKind::kIo, 0, {.threads = 2}, NowNs());
  Open();
  Send(Batch({1, 2, 3}));
  io_.AwaitStart(2);
  context_.TryCancel();
  io_.AwaitCancel(2);
  EXPECT_EQ(stream_->Finish().error_code(), grpc::StatusCode::CANCELLED);
  while (!scheduler_->Idle()) std::this_thread::yield();
  EXPECT_EQ(scheduler_->Lanes()[0].endings.at(Ending::kCancelled), 3);
}

TEST_F(StreamCallTest, APassedDeadlineStopsItsTasks) {
  Start();
  scheduler_->SlotReady(LaneKind::kIo, 0, {.threads = 2}, NowNs());
  context_.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(50));
  Open();
  Send(Batch({1}));
  io_.AwaitCancel();
  EXPECT_EQ(stream_->Finish().error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
}

TEST_F(StreamCallTest, TooManyTasksInOneMessageEndTheStream) {
  Start();
  Open();
  v1::RunStreamRequest batch;
  for (int64_t i = 0; i <= kStreamTasksMax; ++i) Add(&batch, i);
  Send(batch);
  v1::RunStreamReply reply;
  EXPECT_FALSE(stream_->Read(&reply));
  const grpc::Status status = stream_->Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("tasks"));
  EXPECT_TRUE(scheduler_->Idle());
}

TEST_F(StreamCallTest, ASenderThatNeverStopsIsHeldBackByTheWindow) {
  constexpr uint64_t kTasks = 18'000;
  static_assert(kTasks > kStreamTasksMax && kTasks % 1000 == 0);
  Start();
  scheduler_->SlotReady(LaneKind::kIo, 0, {.threads = 1}, NowNs());
  Open();
  LearnThatOutcomesAreSmall();
  scheduler_->SlotGone(LaneKind::kIo, 0);
  std::thread sender([this] {
    for (uint64_t sent = 0; sent < kTasks;) {
      v1::RunStreamRequest batch;
      for (int i = 0; i < 1000; ++i) Add(&batch, sent++);
      if (!stream_->Write(batch)) ADD_FAILURE() << "the stream is over";
    }
    stream_->WritesDone();
  });
  while (scheduler_->Lanes()[0].queued < kStreamTasksMax) std::this_thread::yield();
  scheduler_->SlotReady(LaneKind::kIo, 0, {.threads = 1}, NowNs());
  std::set<uint64_t> seen;
  for (uint64_t i = 1; i <= kTasks; ++i) {
    const auto task = io_.AwaitStart(kSmall + i);
    const LaneSnapshot lane = scheduler_->Lanes()[0];
    ASSERT_LE(lane.queued + lane.running, kStreamTasksMax);
    End(*task, "");
    EXPECT_TRUE(seen.insert(Receive().client_id()).second);
  }
  sender.join();
  EXPECT_EQ(seen.size(), kTasks);
  EXPECT_TRUE(Over().ok());
}

TEST_F(StreamCallTest, AReaderThatStopsCostsBoundedMemoryAndNobodyElse) {
  constexpr size_t kTasks = 300;
  const std::string large(1 << 20, 'x');
  // Outcomes that wait or are in flight, and what HTTP/2 and the sockets hold.
  constexpr size_t kMost = (kStreamBytesMax >> 20) + 16;
  Start();
  // A quick reader would be given an ever larger HTTP/2 window, and what lies in it is the client's memory, not the
  // server's.
  grpc::ChannelArguments fixed_window;
  fixed_window.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  executor_ =
      v1::Executor::NewStub(grpc::CreateCustomChannel(address_, grpc::InsecureChannelCredentials(), fixed_window));
  scheduler_->SlotReady(LaneKind::kIo, 0, {.threads = 16}, NowNs());
  Open();
  std::thread sender([this] {
    for (uint64_t i = 0; i < kTasks; ++i) {
      v1::RunStreamRequest one;
      Add(&one, i);
      if (!stream_->Write(one)) ADD_FAILURE() << "the stream is over";
    }
    stream_->WritesDone();
  });
  // Nobody reads: the window fills up.
  size_t ended = 0;
  while (ended < (kStreamBytesMax >> 20) - 8) End(*io_.AwaitStart(++ended), large);
  // Others are served meanwhile.
  scheduler_->SlotReady(LaneKind::kCpu, 0, {.threads = 1}, NowNs());
  auto other = Run(Request(v1::CPU));
  End(*cpu_.AwaitStart(), "other");
  EXPECT_TRUE(other->status.get().ok());
  EXPECT_LE(io_.started(), kMost);
  // It reads on, and everything comes.
  for (size_t received = 0; received < kTasks; ++received) {
    while (ended < io_.started()) End(*io_.AwaitStart(++ended), large);
    while (ended <= received) End(*io_.AwaitStart(++ended), large);
    EXPECT_LE(ended - received, kMost);
    EXPECT_EQ(Receive().outcome().stdout().size(), large.size());
  }
  sender.join();
  EXPECT_TRUE(Over().ok());
}

TEST_F(StreamCallTest, OutcomesThatGrowBeyondMeasureUnreadBreakTheStream) {
  Start({.queued_tasks = 2000});
  scheduler_->SlotReady(LaneKind::kIo, 0, {.threads = 1024}, NowNs());
  Open();
  LearnThatOutcomesAreSmall();
  v1::RunStreamRequest batch;
  for (uint64_t i = 0; i < 100; ++i) Add(&batch, i);
  Send(batch);
  const std::string huge(4 << 20, 'x');
  io_.AwaitStart(kSmall + 100);
  for (size_t i = 1; i <= 70; ++i) End(*io_.AwaitStart(kSmall + i), huge);
  io_.AwaitCancel(30);  // what still ran is stopped
  v1::RunStreamReply reply;
  while (stream_->Read(&reply)) continue;
  EXPECT_FALSE(stream_->Finish().ok());
}

}  // namespace
}  // namespace gild
