// What gild refuses, and how it says so: bounds, bad input, draining, parts that a later version fills.
#include <algorithm>

#include "gmock/gmock.h"
#include "tests/testing/command.h"
#include "tests/testing/doorbell.h"
#include "tests/testing/server_fixture.h"

namespace gild::testing {
namespace {

using ::google::rpc::BadRequest;
using ::google::rpc::ErrorInfo;
using ::google::rpc::RetryInfo;
using ::testing::HasSubstr;

class AdmissionTest : public ServerFixture {
 protected:
  void ExpectBadField(const v1::Task& task, const std::string& field) {
    grpc::Status status = TryRun(task);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << field << ": " << status.error_message();
    BadRequest detail = DetailOf<BadRequest>(status);
    ASSERT_EQ(detail.field_violations_size(), 1) << field;
    EXPECT_EQ(detail.field_violations(0).field(), field);
    EXPECT_FALSE(detail.field_violations(0).description().empty());
  }
};

TEST_F(AdmissionTest, FullQueueRefusesAndSaysWhenToRetry) {
  StartSmallServer({"--queue-tasks", "100"});
  constexpr uint32_t kCapacity = 100;
  std::unique_ptr<PendingRun> first = RunLater(Call(v1::CPU, "blocks.py", "spin"));
  Eventually("the first task runs", [&] { return LaneOf(v1::CPU_LANE).running() == 1; });
  std::vector<std::unique_ptr<PendingRun>> waiting;
  for (uint32_t i = 0; i < kCapacity; ++i) waiting.push_back(RunLater(Script(v1::CPU, "pass")));
  Eventually("the queue is full", [&] { return LaneOf(v1::CPU_LANE).queued() == kCapacity; });

  grpc::Status status = TryRun(Script(v1::CPU, "pass"));
  EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(DetailOf<ErrorInfo>(status).reason(), "QUEUE_FULL");
  EXPECT_GT(Seconds(DetailOf<RetryInfo>(status).retry_delay()), 0);
  EXPECT_EQ(Run(Script(v1::IO, "print(1)")).stdout(), "1\n") << "the other lane has its own queue";
}

TEST_F(AdmissionTest, QueueFullOfBytesRefusesToo) {
  StartSmallServer({"--queue-bytes", "10MiB"});
  std::unique_ptr<PendingRun> first = RunLater(Call(v1::CPU, "blocks.py", "spin"));
  Eventually("the first task runs", [&] { return LaneOf(v1::CPU_LANE).running() == 1; });
  v1::Task large = Call(v1::CPU, "scripts.py", "reverse", {Raw(std::string(6 << 20, 'x'))});
  std::unique_ptr<PendingRun> second = RunLater(large);
  Eventually("the second task waits", [&] { return LaneOf(v1::CPU_LANE).queued() == 1; });

  grpc::Status status = TryRun(large);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(DetailOf<ErrorInfo>(status).reason(), "QUEUE_BYTES_FULL");
  EXPECT_GT(Seconds(DetailOf<RetryInfo>(status).retry_delay()), 0);
}

TEST_F(AdmissionTest, BadInputNamesTheField) {
  StartSmallServer();
  v1::Task good = Script(v1::CPU, "pass");

  v1::Task task = good;
  task.clear_body();
  grpc::Status status = TryRun(task);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << status.error_message();

  ExpectBadField(Script(v1::CPU, std::string((1 << 20) + 1, '#')), "task.source.code");
  task = good;
  *task.mutable_source()->add_arguments() = Json("1");
  ExpectBadField(task, "task.source.arguments");
  task = good;
  task.set_name(std::string(129, 'n'));
  ExpectBadField(task, "task.name");
  task.set_name("two\nlines");
  ExpectBadField(task, "task.name");
  task = good;
  task.set_session(std::string(129, 's'));
  ExpectBadField(task, "task.session");
  task = good;
  *task.mutable_limits()->mutable_wall() = Ms(-1000);
  ExpectBadField(task, "task.limits.wall");
  task = Script(v1::IO, "pass");
  task.mutable_limits()->set_memory_bytes(1 << 20);
  ExpectBadField(task, "task.limits.memory_bytes");
  task = Script(v1::IO, "pass");
  *task.mutable_limits()->mutable_cpu() = Ms(1000);
  ExpectBadField(task, "task.limits.cpu");

  task = good;
  task.set_tag(static_cast<v1::Tag>(77));
  EXPECT_EQ(TryRun(task).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(AdmissionTest, LaterPartsAreUnimplemented) {
  StartSmallServer();
  const auto kUnimplemented = grpc::StatusCode::UNIMPLEMENTED;
  // Unary: method, request and reply types.
#define EXPECT_UNIMPLEMENTED(stub, method, request, reply)                                             \
  {                                                                                                    \
    grpc::ClientContext context;                                                                       \
    v1::reply answer;                                                                                  \
    EXPECT_EQ(stub->method(&context, v1::request(), &answer).error_code(), kUnimplemented) << #method; \
  }
  EXPECT_UNIMPLEMENTED(executor(), Submit, SubmitRequest, SubmitReply);
  EXPECT_UNIMPLEMENTED(executor(), Get, GetRequest, GetReply);
  EXPECT_UNIMPLEMENTED(executor(), Wait, WaitRequest, GetReply);
  EXPECT_UNIMPLEMENTED(executor(), Cancel, CancelRequest, CancelReply);
  EXPECT_UNIMPLEMENTED(executor(), List, ListRequest, ListReply);
#undef EXPECT_UNIMPLEMENTED
  {
    grpc::ClientContext context;
    EXPECT_EQ(monitor()->Trace(&context, v1::TraceRequest())->Finish().error_code(), kUnimplemented);
  }
}

// ---- draining ----

class DrainTest : public ServerFixture {};

TEST_F(DrainTest, RunningTasksEndNewOnesAreRefused) {
  LetCpuTasksRing();
  StartSmallServer({"--grace", "60s"});
  Doorbell doorbell;
  std::unique_ptr<PendingRun> io = RunLater(RingAndWait(v1::IO, doorbell.port()));
  std::unique_ptr<PendingRun> cpu = RunLater(RingAndWait(v1::CPU, doorbell.port()));
  doorbell.AwaitRings(2);
  std::unique_ptr<PendingRun> waits = RunLater(Script(v1::CPU, "print(1)"));
  Eventually("a task waits", [&] { return LaneOf(v1::CPU_LANE).queued() == 1; });

  Send(SIGTERM);
  Eventually("the server drains", [&] { return GetStats().draining(); });
  grpc::Status status = TryRun(Script(v1::IO, "pass"));
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE) << status.error_message();
  EXPECT_EQ(DetailOf<ErrorInfo>(status).reason(), "DRAINING");
  EXPECT_GT(Seconds(DetailOf<RetryInfo>(status).retry_delay()), 0);
  EXPECT_EQ(GetHealth(""), Health::kNotServing);
  EXPECT_EQ(HttpGet("/readyz").status, 503);

  doorbell.LetIn();
  EXPECT_EQ(io->outcome().ending(), v1::SUCCEEDED);
  EXPECT_EQ(cpu->outcome().ending(), v1::SUCCEEDED);
  EXPECT_EQ(waits->outcome().stdout(), "1\n") << "what was accepted is finished";
  EXPECT_EQ(AwaitServerExit(), 0);
}

TEST_F(DrainTest, EndOfTheGraceEndsWhatStillRuns) {
  LetCpuTasksRing();
  StartSmallServer({"--grace", "500ms"});
  Doorbell doorbell;
  std::unique_ptr<PendingRun> io = RunLater(RingAndWait(v1::IO, doorbell.port()));
  std::unique_ptr<PendingRun> cpu = RunLater(RingAndWait(v1::CPU, doorbell.port()));
  doorbell.AwaitRings(2);
  std::unique_ptr<PendingRun> waits = RunLater(Script(v1::CPU, "pass"));
  Eventually("a task waits", [&] { return LaneOf(v1::CPU_LANE).queued() == 1; });

  Send(SIGTERM);
  for (PendingRun* run : {io.get(), cpu.get(), waits.get()}) {
    EXPECT_EQ(run->outcome().ending(), v1::INTERPRETER_LOST) << run->outcome().DebugString();
  }
  EXPECT_FALSE(io->outcome().evidence().safe_to_retry());
  EXPECT_TRUE(waits->outcome().evidence().safe_to_retry()) << "it never began";
  EXPECT_EQ(AwaitServerExit(), 0);
}

TEST_F(DrainTest, WedgedInterpreterDoesNotKeepTheServer) {
  StartSmallServer({"--grace", "500ms"});
  std::unique_ptr<PendingRun> run = RunLater(Call(v1::IO, "hangs.py", "hold_the_lock"));
  Eventually("the lock is held", [&] {
    const v1::Holder holder = Slot("io-0").holder();
    return holder.task_name() == "hold_the_lock" && Seconds(holder.held_for()) > 0.2;
  });
  Send(SIGTERM);
  EXPECT_EQ(run->outcome().ending(), v1::INTERPRETER_LOST) << run->outcome().DebugString();
  EXPECT_EQ(AwaitServerExit(), 0);
}

TEST_F(DrainTest, IdleServerEndsAtOnce) {
  StartSmallServer();
  EXPECT_EQ(StopServer(), 0);
}

// ---- the command line of gild-server ----

class FlagsTest : public ServerFixture {
 protected:
  void ExpectRefused(const std::vector<std::string>& flags, const std::string& wanted) {
    std::vector<std::string> arguments = {GILD_SERVER};
    arguments.insert(arguments.end(), flags.begin(), flags.end());
    CommandResult result = RunCommand(arguments);
    EXPECT_EQ(result.exit_code, 2) << result.err;
    EXPECT_EQ(result.out, "");
    EXPECT_THAT(result.err, HasSubstr(wanted));
    EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << result.err;
  }
};

TEST_F(FlagsTest, BadOnesAreOneClearLineAndExitTwo) {
  ExpectRefused({"--no-such-flag"}, "--no-such-flag");
  ExpectRefused({"--io-threads", "many"}, "--io-threads");
  ExpectRefused({"--io-threads", "0"}, "--io-threads");
  ExpectRefused({"--cpu-interpreters", "-1"}, "--cpu-interpreters");
  ExpectRefused({"--listen", "nowhere"}, "nowhere");
  ExpectRefused({"surplus"}, "surplus");
}

TEST_F(FlagsTest, BindBeyondLoopbackWantsInsecure) {
  ExpectRefused({"--listen", "0.0.0.0:0", "--http-listen", "127.0.0.1:0"}, "--insecure");
  ExpectRefused({"--listen", "127.0.0.1:0", "--http-listen", "0.0.0.0:0"}, "--insecure");
}

TEST_F(FlagsTest, HelpNamesEveryFlagWithItsUnit) {
  CommandResult result = RunCommand({GILD_SERVER, "--help"});
  EXPECT_EQ(result.exit_code, 0);
  const std::pair<std::string, std::string> kFlags[] = {{"--listen", "HOST:PORT"},
                                                        {"--http-listen", "HOST:PORT"},
                                                        {"--io-interpreters", "INT"},
                                                        {"--io-threads", "INT"},
                                                        {"--cpu-interpreters", "INT"},
                                                        {"--queue-tasks", "INT"},
                                                        {"--queue-bytes", "SIZE"},
                                                        {"--grace", "DURATION"},
                                                        {"--preload", "MODULES"},
                                                        {"--interpreter", "PATH"},
                                                        {"--insecure", ""}};
  for (const auto& [flag, unit] : kFlags) {
    EXPECT_THAT(result.out, ::testing::ContainsRegex(" " + flag + " [^\n]*" + unit));
  }
}

TEST_F(FlagsTest, PreloadThatDoesNotImportIsAClearErrorAtStart) {
  CommandResult result = RunCommand(
      {GILD_SERVER, "--listen", "127.0.0.1:0", "--http-listen", "127.0.0.1:0", "--preload", "no_such_module_anywhere"});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.err, HasSubstr("no_such_module_anywhere"));
}

TEST_F(FlagsTest, TakenPortIsAClearErrorAtStart) {
  StartSmallServer();
  CommandResult result = RunCommand({GILD_SERVER, "--listen", address(), "--http-listen", "127.0.0.1:0"});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.err, HasSubstr(address()));
}

TEST_F(FlagsTest, PreloadedModulesAreWarm) {
  StartSmallServer({"--preload", "http.client,sqlite3"});
  EXPECT_THAT(GetInfo().preloaded(), ::testing::ElementsAre("http.client", "sqlite3"));
  for (v1::Tag tag : {v1::IO, v1::CPU}) {
    EXPECT_EQ(Run(Script(tag, "import sys\nprint('sqlite3' in sys.modules)")).stdout(), "True\n");
  }
}

}  // namespace
}  // namespace gild::testing
