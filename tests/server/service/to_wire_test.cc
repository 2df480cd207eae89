#include "server/service/to_wire.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/service/task_from_wire.h"

namespace gild {
namespace {

using ::testing::ElementsAre;
using ::testing::SizeIs;

TEST(ToWireTest, EveryEndingHasTheSameNameOnTheWire) {
  for (const Ending ending : kEndings) EXPECT_EQ(v1::Ending_Name(ToWire(ending)), Name(ending));
  EXPECT_EQ(static_cast<int>(kEndings.size()) + 1, v1::Ending_ARRAYSIZE) << "the wire has no ending of its own";
}

TEST(ToWireTest, EveryTagHasTheSameNameOnTheWireAndComesBack) {
  for (const Tag tag : {Tag::kAuto, Tag::kIo, Tag::kCpu}) {
    EXPECT_EQ(v1::Tag_Name(ToWire(tag)), Name(tag));
    v1::Task wire;
    wire.mutable_source()->set_code("x");
    wire.set_tag(ToWire(tag));
    FunctionStore functions;
    EXPECT_EQ(std::get<Task>(TaskFromWire(v1::Task(wire), &functions)).tag, tag);
  }
}

TEST(ToWireTest, AnOutcomeLosesNothing) {
  Task task;
  task.id = "an-id";
  task.lane = LaneKind::kIo;
  Outcome outcome;
  outcome.ending = Ending::kRaised;
  outcome.started = true;
  outcome.result = {Value::Kind::kRaw, std::string("\xff\x00", 2)};
  outcome.out = "out \xff";
  outcome.err = "err \xfe";
  outcome.out_truncated = true;
  outcome.err_truncated = true;
  outcome.error = Error{"ValueError", "bad", "Traceback", /*before_start=*/true};
  outcome.evidence = {
      .detail = "d", .exit_code = 3, .signal = 9, .limit = "wall", .allowed = 5, .used = 6, .safe_to_retry = true};
  outcome.usage = {.queue_ns = 1,
                   .dispatch_ns = 2,
                   .run_ns = 3,
                   .cpu_ns = 4,
                   .cpu_wait_ns = 5,
                   .peak_memory_bytes = 6,
                   .core = 0,
                   .interpreter = "io-0#1"};
  outcome.lock = LockUsage{kNsPerSecond + 1, 2, 3, 4, 5, 6};
  outcome.files = {{"out/ä", std::string("\xff\x00", 2)}, {"b", ""}};
  outcome.lock_profile = {{.function = "f", .file = "g", .line = 7, .hold_ns = kNsPerSecond + 8, .calls = 9}};
  outcome.warnings = {"w"};
  v1::Outcome wire;
  ToWire(task, Outcome(outcome), &wire);

  EXPECT_EQ(wire.task_id(), "an-id");
  EXPECT_EQ(wire.ending(), v1::RAISED);
  EXPECT_EQ(wire.lane(), v1::IO_LANE);
  EXPECT_EQ(wire.result().raw(), std::string("\xff\x00", 2));
  EXPECT_EQ(wire.stdout(), "out \xff") << "output is bytes and stays as it is";
  EXPECT_EQ(wire.stderr(), "err \xfe");
  EXPECT_TRUE(wire.stdout_truncated() && wire.stderr_truncated());
  EXPECT_EQ(wire.error().type(), "ValueError");
  EXPECT_EQ(wire.error().message(), "bad");
  EXPECT_TRUE(wire.error().before_start());
  EXPECT_EQ(wire.error().traceback(), "Traceback");
  EXPECT_EQ(wire.evidence().detail(), "d");
  EXPECT_EQ(wire.evidence().exit_code(), 3);
  EXPECT_EQ(wire.evidence().signal(), 9);
  EXPECT_EQ(wire.evidence().limit(), "wall");
  EXPECT_EQ(wire.evidence().allowed(), 5);
  EXPECT_EQ(wire.evidence().used(), 6);
  EXPECT_TRUE(wire.evidence().safe_to_retry());
  v1::Outcome says_nothing;
  ToWire(task, Outcome(), &says_nothing);
  EXPECT_FALSE(says_nothing.has_evidence());
  ASSERT_THAT(wire.lock_profile(), SizeIs(1));
  EXPECT_EQ(wire.lock_profile(0).function(), "f");
  EXPECT_EQ(wire.lock_profile(0).file(), "g");
  EXPECT_EQ(wire.lock_profile(0).line(), 7u);
  EXPECT_EQ(wire.lock_profile(0).hold().seconds(), 1);
  EXPECT_EQ(wire.lock_profile(0).hold().nanos(), 8);
  EXPECT_EQ(wire.lock_profile(0).calls(), 9u);
  EXPECT_EQ(wire.usage().queue().nanos(), 1);
  EXPECT_EQ(wire.usage().dispatch().nanos(), 2);
  EXPECT_EQ(wire.usage().run().nanos(), 3);
  EXPECT_EQ(wire.usage().cpu().nanos(), 4);
  EXPECT_EQ(wire.usage().cpu_wait().nanos(), 5);
  EXPECT_EQ(wire.usage().peak_memory_bytes(), 6);
  EXPECT_TRUE(wire.usage().has_core());
  EXPECT_EQ(wire.usage().interpreter(), "io-0#1");
  EXPECT_EQ(wire.lock().wait().seconds(), 1);
  EXPECT_EQ(wire.lock().wait().nanos(), 1);
  EXPECT_EQ(wire.lock().hold().nanos(), 2);
  EXPECT_EQ(wire.lock().takes(), 3);
  EXPECT_EQ(wire.lock().contended_takes(), 4);
  EXPECT_EQ(wire.lock().forced_releases(), 5);
  EXPECT_EQ(wire.lock().longest_hold().nanos(), 6);
  ASSERT_EQ(wire.files_size(), 2);
  EXPECT_EQ(wire.files(0).path(), "out/ä");
  EXPECT_EQ(wire.files(0).content(), std::string("\xff\x00", 2));
  EXPECT_EQ(wire.files(1).path(), "b");
  EXPECT_THAT(wire.warnings(), ElementsAre("w"));
}

TEST(ToWireTest, AVerdictsSharesKeepTheirPlaces) {
  Outcome outcome;
  outcome.usage.run_ns = 110;
  outcome.usage.cpu_ns = 90;
  outcome.lock = LockUsage{.wait_ns = 10, .hold_ns = 60};  // of 100 of its own
  v1::Outcome wire;
  ToWire(Task(), Outcome(outcome), &wire);
  EXPECT_EQ(wire.verdict().kind(), v1::Verdict::LOCK_BOUND);
  EXPECT_DOUBLE_EQ(wire.verdict().holding_share(), 0.6);
  EXPECT_DOUBLE_EQ(wire.verdict().native_share(), 0.3);
  EXPECT_NEAR(wire.verdict().waiting_share(), 0.1, 1e-9);
  outcome.lock->hold_ns = 10;
  ToWire(Task(), Outcome(outcome), &wire);
  EXPECT_EQ(wire.verdict().kind(), v1::Verdict::NATIVE);
  outcome.usage.cpu_ns = 20;
  ToWire(Task(), Outcome(outcome), &wire);
  EXPECT_EQ(wire.verdict().kind(), v1::Verdict::IO_BOUND);
  outcome.usage.cpu_ns = 55;
  ToWire(Task(), Outcome(outcome), &wire);
  EXPECT_EQ(wire.verdict().kind(), v1::Verdict::MIXED);
}

TEST(ToWireTest, UnavailableIsAbsent) {
  v1::Outcome wire;
  ToWire(Task(), Outcome(), &wire);
  EXPECT_EQ(wire.lane(), v1::NO_LANE) << "it never started";
  EXPECT_FALSE(wire.has_result());
  EXPECT_FALSE(wire.has_error());
  EXPECT_FALSE(wire.has_lock());
  EXPECT_FALSE(wire.has_verdict());
  EXPECT_TRUE(wire.usage().has_queue());
  EXPECT_FALSE(wire.usage().has_run());
  EXPECT_FALSE(wire.usage().has_cpu());
  EXPECT_FALSE(wire.usage().has_peak_memory_bytes());
  EXPECT_FALSE(wire.usage().has_core());
  EXPECT_FALSE(wire.evidence().has_signal());
  EXPECT_FALSE(wire.evidence().has_exit_code());
  EXPECT_FALSE(wire.evidence().has_allowed());
}

TEST(ToWireTest, AJsonResultOfAHostileChildStillParses) {
  Outcome outcome;
  outcome.result = {Value::Kind::kJson, "\"\xff\""};
  v1::Outcome wire;
  ToWire(Task(), Outcome(outcome), &wire);
  v1::Outcome read;
  EXPECT_TRUE(read.ParseFromString(wire.SerializeAsString()));
  EXPECT_EQ(read.result().json(), "\"\xef\xbf\xbd\"");
}

TEST(ToWireTest, StatsCarryTheSnapshot) {
  ServerSnapshot snapshot;
  snapshot.uptime_ns = 2 * kNsPerSecond;
  snapshot.draining = true;
  snapshot.lanes = {{.lane = LaneKind::kIo,
                     .serving = true,
                     .queued = 1,
                     .queued_bytes = 2,
                     .running = 3,
                     .endings = {{Ending::kRaised, 4}}}};
  snapshot.sessions.live = {{.session = "busy", .slot = "io-1", .tasks = 12, .active = 2},
                            {.session = "idle", .idle_ns = 3 * kNsPerSecond}};
  snapshot.slots = {{.slot = "io-0",
                     .lane = LaneKind::kIo,
                     .state = InterpreterState::kBackingOff,
                     .generation = 5,
                     .pid = 6,
                     .running = 7,
                     .capacity = 8,
                     .lock = LockUsage{.takes = 9},
                     .waiters = 10,
                     .holder = HolderSnapshot{"id", "name", 11},
                     .restarts = {{"crashed", 12}}},
                    {.slot = "cpu-0"}};
  snapshot.cores = {{.core = 1, .io_ns = 2, .cpu_ns = 3, .server_ns = 4, .other_ns = 5, .idle_ns = 6, .steal_ns = 7}};
  snapshot.core_split_exact = true;
  snapshot.lost_parallelism_ns = 8;
  const v1::Stats stats = ToWire(snapshot);
  EXPECT_EQ(stats.uptime().seconds(), 2);
  EXPECT_TRUE(stats.draining());
  ASSERT_THAT(stats.lanes(), SizeIs(1));
  EXPECT_EQ(stats.lanes(0).lane(), v1::IO_LANE);
  EXPECT_TRUE(stats.lanes(0).serving());
  EXPECT_EQ(stats.lanes(0).queued(), 1);
  EXPECT_EQ(stats.lanes(0).queued_bytes(), 2);
  EXPECT_EQ(stats.lanes(0).running(), 3);
  EXPECT_EQ(stats.lanes(0).endings(0).ending(), v1::RAISED);
  EXPECT_EQ(stats.lanes(0).endings(0).tasks(), 4);
  ASSERT_THAT(stats.interpreters(), SizeIs(2));
  const v1::InterpreterStats& io = stats.interpreters(0);
  EXPECT_EQ(io.slot(), "io-0");
  EXPECT_EQ(io.state(), v1::InterpreterStats::BACKING_OFF);
  EXPECT_EQ(io.generation(), 5);
  EXPECT_EQ(io.pid(), 6);
  EXPECT_EQ(io.running(), 7);
  EXPECT_EQ(io.capacity(), 8);
  EXPECT_EQ(io.lock().takes(), 9);
  EXPECT_EQ(io.waiters(), 10);
  EXPECT_EQ(io.holder().task_name(), "name");
  EXPECT_EQ(io.holder().held_for().nanos(), 11);
  EXPECT_EQ(io.restarts(0).cause(), "crashed");
  EXPECT_EQ(io.restarts(0).restarts(), 12);
  EXPECT_FALSE(stats.interpreters(1).has_lock());
  EXPECT_FALSE(stats.interpreters(1).has_holder());
  EXPECT_EQ(stats.cores(0).core(), 1);
  EXPECT_EQ(stats.cores(0).io_lane().nanos(), 2);
  EXPECT_EQ(stats.cores(0).cpu_lane().nanos(), 3);
  EXPECT_EQ(stats.cores(0).server().nanos(), 4);
  EXPECT_EQ(stats.cores(0).other().nanos(), 5);
  EXPECT_EQ(stats.cores(0).idle().nanos(), 6);
  EXPECT_EQ(stats.cores(0).steal().nanos(), 7);
  EXPECT_TRUE(stats.core_split_exact());
  EXPECT_EQ(stats.lost_parallelism().nanos(), 8);
  EXPECT_FALSE(ToWire(ServerSnapshot()).has_lost_parallelism());

  ASSERT_EQ(stats.sessions_size(), 2);
  EXPECT_EQ(stats.sessions(0).session(), "busy");
  EXPECT_EQ(stats.sessions(0).slot(), "io-1");
  EXPECT_EQ(stats.sessions(0).tasks(), 12u);
  EXPECT_EQ(stats.sessions(0).active(), 2u);
  EXPECT_FALSE(stats.sessions(0).has_idle());
  EXPECT_EQ(stats.sessions(1).session(), "idle");
  EXPECT_EQ(stats.sessions(1).idle().seconds(), 3);
}

TEST(ToWireTest, InfoCarriesLanesAndLimits) {
  const v1::Info info =
      ToWire({.version = "0.1.0",
              .python_version = "3.11.2",
              .meter_detail = "why",
              .isolation = {{LaneKind::kIo, {.in_force = {"rlimits", "landlock"}}},
                            {LaneKind::kCpu, {.in_force = {"seccomp", "rlimits"}, .missing = {{"landlock", "no"}}}}},
              .isolation_level = "user",
              .preloaded = {"numpy"},
              .cores = {0, 1},
              .core_split_exact = true,
              .core_split_detail = "groups"},
             {{.lane = LaneKind::kCpu, .interpreters = 2, .threads_per_interpreter = 1}}, 77);
  EXPECT_EQ(info.version(), "0.1.0");
  EXPECT_FALSE(info.meter_available());
  EXPECT_EQ(info.meter_detail(), "why");
  EXPECT_EQ(info.isolation_level(), "user");
  EXPECT_THAT(info.isolation(), ElementsAre("rlimits")) << "in both lanes";
  EXPECT_THAT(info.lanes(0).isolation(), ElementsAre("seccomp", "rlimits"));
  ASSERT_EQ(info.lanes(0).missing_isolation_size(), 1);
  EXPECT_EQ(info.lanes(0).missing_isolation(0).layer(), "landlock");
  EXPECT_EQ(info.lanes(0).missing_isolation(0).why(), "no");
  EXPECT_THAT(info.preloaded(), ElementsAre("numpy"));
  EXPECT_THAT(info.cores(), ElementsAre(0, 1));
  EXPECT_TRUE(info.core_split_exact());
  EXPECT_EQ(info.core_split_detail(), "groups");
  EXPECT_EQ(info.lanes(0).lane(), v1::CPU_LANE);
  EXPECT_EQ(info.lanes(0).interpreters(), 2);
  EXPECT_EQ(info.lanes(0).queue_capacity(), 77);
  EXPECT_EQ(info.default_limits().wall().seconds(), 30);
  EXPECT_EQ(info.ceiling_limits().wall().seconds(), 3600);
}

}  // namespace
}  // namespace gild
