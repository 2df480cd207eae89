// RunStream with the real binaries: many tasks on one stream, each with an outcome of its own.
#include <map>
#include <set>
#include <thread>

#include "gmock/gmock.h"
#include "tests/testing/doorbell.h"
#include "tests/testing/server_fixture.h"

namespace gild::testing {
namespace {

class StreamTest : public BothLanesFixture {
 protected:
  void Open() { stream_ = executor()->RunStream(&context_); }

  static void Add(v1::RunStreamRequest* batch, uint64_t client_id, const v1::Task& task) {
    batch->add_tasks()->set_client_id(client_id);
    *batch->mutable_tasks(batch->tasks_size() - 1)->mutable_task() = task;
  }

  // So many more outcomes, by the client's id.
  std::map<uint64_t, v1::Outcome> Receive(size_t count) {
    std::map<uint64_t, v1::Outcome> outcomes;
    v1::RunStreamReply reply;
    while (outcomes.size() < count && stream_->Read(&reply)) {
      for (const v1::StreamOutcome& outcome : reply.outcomes()) {
        EXPECT_TRUE(outcome.has_outcome()) << outcome.refusal().DebugString();
        EXPECT_TRUE(outcomes.emplace(outcome.client_id(), outcome.outcome()).second);
      }
    }
    EXPECT_EQ(outcomes.size(), count);
    return outcomes;
  }

  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReaderWriter<v1::RunStreamRequest, v1::RunStreamReply>> stream_;
};
INSTANTIATE_IN_BOTH_LANES(StreamTest);

TEST_P(StreamTest, EachTaskHasItsOwnOutcome) {
  constexpr int kTasks = 1000, kBatch = 100;
  StartSmallServer();
  Open();
  std::thread sender([this] {
    for (int sent = 0; sent < kTasks;) {
      v1::RunStreamRequest batch;
      for (int i = 0; i < kBatch; ++i, ++sent) {
        Add(&batch, sent, Call(GetParam(), "scripts.py", "add", {Json(std::to_string(sent)), Json("1000")}));
      }
      EXPECT_TRUE(stream_->Write(batch));
    }
    stream_->WritesDone();
  });
  const std::map<uint64_t, v1::Outcome> outcomes = Receive(kTasks);
  sender.join();
  for (const auto& [id, outcome] : outcomes) {
    EXPECT_EQ(outcome.ending(), v1::SUCCEEDED) << outcome.DebugString();
    EXPECT_EQ(outcome.result().json(), "{\"sum\":" + std::to_string(id + 1000) + "}");
    EXPECT_TRUE(outcome.has_lock());
  }
  v1::RunStreamReply reply;
  EXPECT_FALSE(stream_->Read(&reply));
  EXPECT_TRUE(stream_->Finish().ok());
  EXPECT_EQ(Endings(lane(), v1::SUCCEEDED), uint64_t{kTasks});
}

TEST_P(StreamTest, EndingsOfAllKindsComeBack) {
  StartSmallServer();
  Open();
  v1::RunStreamRequest batch;
  Add(&batch, 1, Script(GetParam(), "1/0"));
  Add(&batch, 2, Script(GetParam(), "raise SystemExit(7)"));
  Add(&batch, 3, Script(GetParam(), "print('here')"));
  v1::Task spins = Call(GetParam(), "blocks.py", "spin");
  *spins.mutable_limits()->mutable_wall() = Ms(200);
  Add(&batch, 4, spins);
  ASSERT_TRUE(stream_->Write(batch));
  std::map<uint64_t, v1::Outcome> outcomes = Receive(4);
  EXPECT_EQ(outcomes[1].ending(), v1::RAISED);
  EXPECT_EQ(outcomes[2].ending(), v1::EXITED);
  EXPECT_EQ(outcomes[3].stdout(), "here\n");
  EXPECT_EQ(outcomes[4].ending(), v1::TIMED_OUT);
  // And the stream outlives an interpreter.
  batch.Clear();
  Add(&batch, 5, Call(GetParam(), "crashes.py", "segfault"));
  ASSERT_TRUE(stream_->Write(batch));
  EXPECT_EQ(Receive(1)[5].ending(), v1::CRASHED);
  batch.Clear();
  Add(&batch, 6, Script(GetParam(), "pass"));
  ASSERT_TRUE(stream_->Write(batch));
  EXPECT_EQ(Receive(1)[6].ending(), v1::SUCCEEDED);
  stream_->WritesDone();
  EXPECT_TRUE(stream_->Finish().ok());
}

TEST_P(StreamTest, OneIsCancelledAndABrokenStreamStopsTheRest) {
  LetCpuTasksRing();
  StartServer({"--io-interpreters", "1", "--cpu-interpreters", "2"});
  Doorbell doorbell;
  Open();
  v1::RunStreamRequest batch;
  for (const uint64_t id : {1, 2}) Add(&batch, id, RingAndWait(GetParam(), doorbell.port()));
  ASSERT_TRUE(stream_->Write(batch));
  doorbell.AwaitRings(2);
  batch.Clear();
  batch.add_cancel_client_ids(1);
  ASSERT_TRUE(stream_->Write(batch));
  EXPECT_EQ(Receive(1)[1].ending(), v1::CANCELLED);
  EXPECT_EQ(LaneOf(lane()).running(), 1u);
  context_.TryCancel();
  Eventually("the other one is stopped", [&] { return Endings(lane(), v1::CANCELLED) == 2; });
  EXPECT_EQ(stream_->Finish().error_code(), grpc::StatusCode::CANCELLED);
  EXPECT_EQ(Run(Script(GetParam(), "print(1)")).stdout(), "1\n");
}

using IoStreamTest = ServerFixture;

// The thread of the first goes on to the second, which keeps the lock for ever; and the third gets a thread all the
// same.
TEST_F(IoStreamTest, AnEndDoesNotWaitForTheTaskThatFollows) {
  StartServer({"--io-interpreters", "1", "--cpu-interpreters", "1"});
  grpc::ClientContext context;
  const auto stream = executor()->RunStream(&context);
  v1::RunStreamRequest batch;
  const std::vector<v1::Task> tasks = {Script(v1::IO, "pass"), Call(v1::IO, "blocks.py", "spin"),
                                       Script(v1::IO, "pass")};
  for (const v1::Task& task : tasks) {
    batch.add_tasks()->set_client_id(batch.tasks_size());
    *batch.mutable_tasks(batch.tasks_size() - 1)->mutable_task() = task;
  }
  ASSERT_TRUE(stream->Write(batch));
  std::set<uint64_t> ended;
  v1::RunStreamReply reply;
  while (ended.size() < 2 && stream->Read(&reply)) {
    for (const v1::StreamOutcome& outcome : reply.outcomes()) {
      EXPECT_EQ(outcome.outcome().ending(), v1::SUCCEEDED);
      ended.insert(outcome.client_id());
    }
  }
  EXPECT_EQ(ended, (std::set<uint64_t>{1, 3}));
  context.TryCancel();
}

using CpuStreamTest = ServerFixture;

// Small tasks lie ready behind one another; those behind one that takes long go elsewhere.
TEST_F(CpuStreamTest, SmallTasksDoNotWaitBehindALongOne) {
  LetCpuTasksRing();
  StartServer({"--io-interpreters", "1", "--cpu-interpreters", "2"});
  Doorbell doorbell;
  grpc::ClientContext context;
  const auto stream = executor()->RunStream(&context);
  v1::RunStreamRequest batch;
  const auto add = [&batch](uint64_t client_id, const v1::Task& task) {
    v1::StreamTask* const added = batch.add_tasks();
    added->set_client_id(client_id);
    *added->mutable_task() = task;
  };
  const auto receive = [&stream](size_t count) {
    std::map<uint64_t, v1::Outcome> outcomes;
    v1::RunStreamReply reply;
    while (outcomes.size() < count && stream->Read(&reply)) {
      for (const v1::StreamOutcome& outcome : reply.outcomes()) outcomes[outcome.client_id()] = outcome.outcome();
    }
    return outcomes;
  };
  // Until the lane's tasks are known to be small.
  for (uint64_t id = 1; id <= 200; ++id) add(id, Script(v1::CPU, "pass"));
  ASSERT_TRUE(stream->Write(batch));
  EXPECT_EQ(receive(200).size(), 200u);

  batch.Clear();
  add(1, RingAndWait(v1::CPU, doorbell.port()));
  for (uint64_t id = 2; id <= 41; ++id) add(id, Script(v1::CPU, "pass"));
  ASSERT_TRUE(stream->Write(batch));
  doorbell.AwaitRings(1);
  const std::map<uint64_t, v1::Outcome> small = receive(40);
  EXPECT_EQ(small.count(1), 0u);
  for (const auto& [id, outcome] : small) EXPECT_EQ(outcome.ending(), v1::SUCCEEDED) << outcome.DebugString();

  // And those behind one that is ended with its interpreter run all the same.
  batch.Clear();
  for (uint64_t id = 2; id <= 41; ++id) add(id, Script(v1::CPU, id % 10 == 0 ? "import os; os._exit(3)" : "pass"));
  ASSERT_TRUE(stream->Write(batch));
  for (const auto& [id, outcome] : receive(40)) {
    EXPECT_EQ(outcome.ending(), id % 10 == 0 ? v1::EXITED : v1::SUCCEEDED) << outcome.DebugString();
  }

  // Nor does one begin beside a process that another has left behind, to be ended with it.
  batch.Clear();
  constexpr char kLeave[] = "import os, time\nif os.fork() == 0: time.sleep(600)";
  doorbell.LetIn();
  EXPECT_EQ(receive(1)[1].ending(), v1::SUCCEEDED);
  for (uint64_t id = 2; id <= 41; ++id) {
    add(id, WithProcesses(Script(v1::CPU, id % 10 == 0 ? kLeave : "sum(range(10000))")));
  }
  ASSERT_TRUE(stream->Write(batch));
  for (const auto& [id, outcome] : receive(40)) {
    EXPECT_EQ(outcome.ending(), v1::SUCCEEDED) << outcome.DebugString();
    EXPECT_EQ(outcome.warnings_size(), id % 10 == 0 ? 1 : 0) << outcome.DebugString();
  }
  stream->WritesDone();
  EXPECT_TRUE(stream->Finish().ok());
}

TEST_P(StreamTest, DrainEndsWhatRunsAndTheServerLeavesCleanly) {
  LetCpuTasksRing();
  StartSmallServer();
  Doorbell doorbell;
  Open();
  v1::RunStreamRequest batch;
  Add(&batch, 1, RingAndWait(GetParam(), doorbell.port()));
  ASSERT_TRUE(stream_->Write(batch));
  doorbell.AwaitRings(1);
  Send(SIGTERM);
  Eventually("the server drains", [&] { return GetStats().draining(); });
  doorbell.LetIn();
  EXPECT_EQ(Receive(1)[1].ending(), v1::SUCCEEDED);
  EXPECT_EQ(AwaitServerExit(), 0);
}

}  // namespace
}  // namespace gild::testing
