// What `gild info` and `gild stats` show, word for word.
#include <gtest/gtest.h>

#include "client/cli/monitor_commands.h"
#include "client/cpp/durations.h"

namespace gild::cli {
namespace {

const Terminal& Plain() {
  static const Terminal terminal(ColorMode::kNever);
  return terminal;
}

TEST(InfoTextTest, ShowsWhatTheServerIs) {
  v1::Info info;
  info.set_version("0.1.0");
  info.set_python_version("3.11.2");
  info.set_meter_available(true);
  info.add_isolation("rlimits");
  info.add_isolation("seccomp");
  info.set_isolation_level("user");
  info.add_preloaded("numpy");
  info.add_cores(0);
  info.add_cores(1);
  info.set_core_split_exact(true);
  info.set_core_split_detail("control groups");
  v1::LaneInfo* lane = info.add_lanes();
  lane->set_lane(v1::IO_LANE);
  lane->set_interpreters(1);
  lane->set_threads_per_interpreter(128);
  lane->set_queue_capacity(4096);
  lane = info.add_lanes();
  lane->set_lane(v1::CPU_LANE);
  lane->set_interpreters(2);
  lane->set_threads_per_interpreter(1);
  lane->set_queue_capacity(4096);
  v1::MissingLayer* const missing = lane->add_missing_isolation();
  missing->set_layer("landlock");
  missing->set_why("there is\nnone");
  info.mutable_default_limits()->mutable_wall()->set_seconds(30);
  info.mutable_default_limits()->mutable_queue()->set_seconds(60);
  info.mutable_default_limits()->set_output_bytes(1 << 20);
  info.mutable_default_limits()->set_processes(512);
  info.mutable_ceiling_limits()->mutable_wall()->set_seconds(3600);
  info.mutable_ceiling_limits()->set_memory_bytes(uint64_t{8} << 30);
  EXPECT_EQ(InfoText(info, "here:1", Plain()),
            "gild 0.1.0 at here:1, CPython 3.11.2\n"
            "lock meter  exact\n"
            "isolation   user: rlimits, seccomp\n"
            "  missing   landlock (CPU): there is none\n"
            "preloaded   numpy\n"
            "cores       0, 1\n"
            "their split exact: control groups\n"
            "\n"
            "LANE  INTERPRETERS  THREADS EACH  QUEUE\n"
            "I/O              1           128   4096\n"
            "CPU              2             1   4096\n"
            "\n"
            "LIMIT          DEFAULT  CEILING\n"
            "wall             30.0s    1h00m\n"
            "queue            60.0s     none\n"
            "cpu               none     none\n"
            "memory            none    8 GiB\n"
            "processes          512     none\n"
            "scratch           none     none\n"
            "scratch files     none     none\n"
            "output           1 MiB     none\n"
            "result            none     none\n");
}

TEST(InfoTextTest, SaysWhyThereIsNoMeterAndWhatThereIsNoneOf) {
  v1::Info info;
  info.set_meter_detail("built without\nit");
  info.set_core_split_detail("no\ngroups");
  const std::string text = InfoText(info, "here:1", Plain());
  EXPECT_NE(text.find("lock meter  unavailable: built without it\n"
                      "isolation   none\n"
                      "preloaded   none\n"
                      "cores       none\n"
                      "their split estimated: no groups\n"),
            std::string::npos)
      << text;
}

class StatsTextTest : public testing::Test {
 protected:
  StatsTextTest() {
    stats_.mutable_uptime()->set_seconds(133);
    v1::LaneStats* lane = stats_.add_lanes();
    lane->set_lane(v1::IO_LANE);
    lane->set_serving(true);
    lane->set_queued(3);
    lane->set_queued_bytes(1536);
    lane->set_running(12);
    AddEnding(v1::SUCCEEDED, 40, lane);
    AddEnding(v1::TIMED_OUT, 2, lane);
    AddEnding(v1::RAISED, 0, lane);
    lane = stats_.add_lanes();
    lane->set_lane(v1::CPU_LANE);

    v1::InterpreterStats* io = stats_.add_interpreters();
    io->set_slot("io-0");
    io->set_lane(v1::IO_LANE);
    io->set_state(v1::InterpreterStats::READY);
    io->set_generation(3);
    io->set_pid(77);
    io->set_running(12);
    io->set_capacity(128);
    io->mutable_lock()->mutable_wait()->set_seconds(2);
    io->mutable_lock()->mutable_hold()->set_seconds(1);
    io->mutable_lock()->mutable_longest_hold()->set_nanos(5'000'000);
    io->set_waiters(4);
    io->mutable_holder()->set_task_id("id");
    io->mutable_holder()->set_task_name("greedy\x1b");
    io->mutable_holder()->mutable_held_for()->set_nanos(7'000'000);
    v1::RestartCount* restarts = io->add_restarts();
    restarts->set_cause("crashed");
    restarts->set_restarts(2);
    // What the meter does not see is not zero.
    v1::InterpreterStats* cpu = stats_.add_interpreters();
    cpu->set_slot("cpu-0");
    cpu->set_lane(v1::CPU_LANE);
    cpu->set_state(v1::InterpreterStats::BACKING_OFF);
    cpu->set_capacity(1);
    cpu->add_restarts()->set_cause("killed");

    AddCore(0, {.io = 10, .cpu = 20, .server = 5, .other = 5, .idle = 50, .steal = 10}, &stats_);
    AddCore(1, {}, &stats_);
    stats_.set_core_split_exact(true);
    stats_.mutable_lost_parallelism()->set_seconds(30);
  }

  static void AddEnding(v1::Ending ending, uint64_t tasks, v1::LaneStats* lane) {
    v1::EndingCount* const count = lane->add_endings();
    count->set_ending(ending);
    count->set_tasks(tasks);
  }
  struct Seconds {
    int io, cpu, server, other, idle, steal;
  };
  static void AddCore(int core, const Seconds& times, v1::Stats* stats) {
    v1::CoreStats* const entry = stats->add_cores();
    entry->set_core(core);
    entry->mutable_io_lane()->set_seconds(times.io);
    entry->mutable_cpu_lane()->set_seconds(times.cpu);
    entry->mutable_server()->set_seconds(times.server);
    entry->mutable_other()->set_seconds(times.other);
    entry->mutable_idle()->set_seconds(times.idle);
    entry->mutable_steal()->set_seconds(times.steal);
  }

  v1::Stats stats_;
};

TEST_F(StatsTextTest, ShowsWhatTheServerIsDoing) {
  EXPECT_EQ(StatsText(stats_, nullptr, Plain()),
            "up 2m13s\n"
            "\n"
            "LANE  SERVING  QUEUED    BYTES  RUNNING  ENDED\n"
            "I/O   yes           3  1.5 KiB       12  SUCCEEDED 40, TIMED_OUT 2\n"
            "CPU   NO            0      0 B        0  -\n"
            "\n"
            "SLOT   LANE  STATE        GEN  PID   TASKS   WAIT   HOLD  LONGEST  WANT  HOLDER NOW\n"
            "io-0   I/O   ready          3   77  12/128  2.00s  1.00s    5.0ms     4  greedy  for 7.0ms\n"
            "cpu-0  CPU   backing off    0    -     0/1    n/a    n/a      n/a   n/a  n/a\n"
            "restarts: io-0 crashed 2\n"
            "\n"
            "CORE  I/O  CPU  SERVER  OTHER  IDLE  STEAL  (since the server's start)\n"
            "   0  10%  20%      5%     5%   50%    10%\n"
            "   1    -    -       -      -     -      -\n"
            "lost parallelism 30%, 30.0s at most: cores idled while tasks waited for a lock or in a queue\n");
}

TEST_F(StatsTextTest, CoresAreOfTheTimeSinceTheSnapshotBefore) {
  v1::Stats before;
  AddCore(0, {.io = 9, .cpu = 20, .server = 5, .other = 5, .idle = 47, .steal = 10}, &before);
  before.mutable_lost_parallelism()->set_seconds(28);
  const std::string text = StatsText(stats_, &before, Plain());
  EXPECT_EQ(text.substr(text.find("CORE")),
            "CORE  I/O  CPU  SERVER  OTHER  IDLE  STEAL  (of the last interval)\n"
            "   0  25%   0%      0%     0%   75%     0%\n"
            "   1    -    -       -      -     -      -\n"
            "lost parallelism 50%, 2.00s at most: cores idled while tasks waited for a lock or in a queue\n");
}

TEST_F(StatsTextTest, WhatIsEstimatedOrCannotBeToldOfTheCoresIsSaid) {
  stats_.set_core_split_exact(false);
  stats_.clear_lost_parallelism();
  std::string text = StatsText(stats_, nullptr, Plain());
  EXPECT_NE(text.find("(since the server's start; I/O and SERVER are estimates)\n"), std::string::npos) << text;
  EXPECT_NE(text.find("lost parallelism n/a: there is no lock meter\n"), std::string::npos) << text;
  stats_.clear_cores();
  text = StatsText(stats_, nullptr, Plain());
  EXPECT_NE(text.find("cores n/a: the server cannot read /proc/stat\n"), std::string::npos) << text;
}

TEST_F(StatsTextTest, TheLastUsedSessionsAreShown) {
  const auto sessions_text = [this] {
    const std::string text = StatsText(stats_, nullptr, Plain());
    const size_t from = text.find("\n\nSESSION");
    return from == std::string::npos ? "" : text.substr(from, text.find("\n\nCORE") - from);
  };
  EXPECT_EQ(sessions_text(), "");
  v1::SessionStats* session = stats_.add_sessions();
  session->set_session("the busy\x1bone");
  session->set_slot("io-0");
  session->set_tasks(1200);
  session->set_active(3);
  session = stats_.add_sessions();
  session->set_session("new");
  session->mutable_idle()->set_seconds(133);
  EXPECT_EQ(sessions_text(),
            "\n\nSESSION       SLOT  TASKS  ACTIVE   IDLE\n"
            "the busy one  io-0   1200       3      -\n"
            "new           -         0       0  2m13s");
  for (int i = 0; i < 8; ++i) stats_.add_sessions()->set_session("s" + std::to_string(i));
  EXPECT_EQ(sessions_text().find("more"), std::string::npos) << sessions_text();
  for (int i = 8; i < 11; ++i) stats_.add_sessions()->set_session("s" + std::to_string(i));
  EXPECT_NE(sessions_text().find("\ns7 "), std::string::npos) << sessions_text();
  EXPECT_EQ(sessions_text().find("\ns8 "), std::string::npos) << sessions_text();
  EXPECT_NE(sessions_text().find("\n… and 3 more"), std::string::npos) << sessions_text();
}

TEST_F(StatsTextTest, AnInterpretersOwnHoldAndADrainAreTold) {
  stats_.set_draining(true);
  stats_.mutable_interpreters(0)->mutable_holder()->clear_task_id();
  const std::string text = StatsText(stats_, nullptr, Plain());
  EXPECT_EQ(text.substr(0, text.find('\n')), "up 2m13s, DRAINING");
  EXPECT_NE(text.find("  (interpreter) for 7.0ms\n"), std::string::npos) << text;
}

}  // namespace
}  // namespace gild::cli
