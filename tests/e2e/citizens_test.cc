// Every bad citizen of tests/testcases/<kind>/ ends as it says it does, and nothing of it is met afterwards: alone,
// beside others' work, and one after the other without a pause. What the server is and has is the same before and
// after.
#include <sys/stat.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <random>
#include <set>
#include <sstream>
#include <tuple>

#include "gmock/gmock.h"
#include "tests/server/seed.h"
#include "tests/testing/citizen.h"
#include "tests/testing/load.h"
#include "tests/testing/server_fixture.h"

namespace gild::testing {
namespace {

const std::string kKinds[] = {"bombs", "crashes", "escapes", "hangs", "lock", "residue", "results"};

namespace fs = std::filesystem;

int DescriptorsOf(int pid) {
  const fs::directory_iterator descriptors("/proc/" + std::to_string(pid) + "/fd");
  return static_cast<int>(std::distance(begin(descriptors), end(descriptors)));
}

// Of a process and of all that come from it.
int ProcessesUnder(int pid) {
  int count = 1;
  const fs::path tasks = "/proc/" + std::to_string(pid) + "/task";
  std::error_code gone;
  for (const fs::directory_entry& thread : fs::directory_iterator(tasks, gone)) {
    std::ifstream children(thread.path() / "children");
    for (int child = 0; children >> child;) count += ProcessesUnder(child);
  }
  return count;
}

using Kind = std::tuple<std::string, Condition>;

// Honest work in both lanes, and how it may end beside such citizens.
std::vector<HonestWork> WorkBeside(const std::string& kind) {
  static constexpr char kWaits[] = "import time\nfor _ in range(5): time.sleep(0.002)\nprint('done')";
  static constexpr char kComputes[] = "print(sum(i * i for i in range(50_000)))";
  // Tasks of one client share an interpreter there.
  HonestWork io = {Script(v1::IO, kWaits), "done\n", {v1::SUCCEEDED, v1::INTERPRETER_LOST, v1::PROTOCOL_ERROR}};
  // Who is after the lock raises exceptions in whatever threads it finds.
  if (kind == "lock") io.ends.insert(v1::RAISED);
  // And in whichever of them runs next a broken heap is met, or a `sys` that somebody is emptying.
  if (kind == "crashes") io.ends.insert({v1::CRASHED, v1::RAISED});
  // Whatever happens to an interpreter that it was to run in: it has not begun there.
  return {io, {Script(v1::CPU, kComputes), "41665416675000\n"}};
}

class CitizensFixture : public ServerFixture {
 protected:
  // With one interpreter a lane, what follows meets the very slot.
  void Start(int cpu_interpreters = 1) {
    StartServer({"--io-interpreters", "1", "--cpu-interpreters", std::to_string(cpu_interpreters), "--cpu-memory",
                 "192MiB", "--io-memory", "384MiB"});
    for (const v1::Tag tag : {v1::IO, v1::CPU}) {
      for (const bool subprocess : {false, true}) found_[{tag, subprocess}] = Look(tag, subprocess);
    }
    descriptors_ = DescriptorsOf(pid());
    processes_ = ProcessesUnder(pid());
    memory_kib_ = StatusOf(pid(), "VmRSS");
  }

  // What a task finds of its process, and how the server tells of one that raises.
  std::string Look(v1::Tag tag, bool subprocess) {
    v1::Task probe = Script(tag, Testcase("probe.py"));
    probe.set_allow_subprocess(subprocess);
    const v1::Outcome outcome = Run(probe);
    EXPECT_EQ(outcome.ending(), v1::RAISED) << outcome.DebugString();
    return outcome.stdout() + outcome.error().DebugString();
  }

  std::map<std::string, uint64_t> Refused() {
    std::map<std::string, uint64_t> refused;
    const v1::Stats stats = GetStats();
    for (const v1::InterpreterStats& slot : stats.interpreters()) {
      for (const v1::DeniedCount& denied : slot.denied_syscalls()) refused[denied.syscall()] += denied.times();
    }
    return refused;
  }

  void ExpectRefused(const Citizen& citizen, std::map<std::string, uint64_t> before) {
    if (citizen.refused.empty()) return;
    Eventually("calls are counted as refused: " + citizen.name, [&] {
      std::map<std::string, uint64_t> now = Refused();
      return std::all_of(citizen.refused.begin(), citizen.refused.end(),
                         [&](const std::string& call) { return now[call] > before[call]; });
    });
  }

  // The lane takes tasks again, and the next one finds its process as the first one did. How long that took.
  double ExpectAsBefore(const Citizen& citizen) {
    const auto ended = std::chrono::steady_clock::now();
    const bool subprocess = citizen.task.allow_subprocess();
    EXPECT_EQ(Look(citizen.tag, subprocess), (found_[{citizen.tag, subprocess}])) << "met after " << citizen.name;
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - ended).count();
  }

  void ExpectServerAsBefore(const std::string& after) {
    // What ends, ends in its own time; more than there was is never there for good.
    Eventually("the server's descriptors and processes are as before " + after,
               [&] { return DescriptorsOf(pid()) <= descriptors_ && ProcessesUnder(pid()) <= processes_; });
  }

  std::map<std::pair<v1::Tag, bool>, std::string> found_;
  int descriptors_ = 0;
  int processes_ = 0;
  int64_t memory_kib_ = 0;
};

class CitizensTest : public CitizensFixture, public ::testing::WithParamInterface<Kind> {
 protected:
  Condition condition() const { return std::get<Condition>(GetParam()); }
};

INSTANTIATE_TEST_SUITE_P(Citizens, CitizensTest,
                         ::testing::Combine(::testing::ValuesIn(kKinds), ::testing::ValuesIn(kConditions)),
                         [](const auto& info) {
                           return std::get<std::string>(info.param) + NameOf(std::get<Condition>(info.param));
                         });

TEST_P(CitizensTest, EndAsTheySayAndNothingOfThemIsMet) {
  const std::vector<Citizen> citizens = Citizens(std::get<std::string>(GetParam()));
  ASSERT_FALSE(citizens.empty());
  const char* const only = getenv("GILD_CITIZEN");
  // Others' work needs one more.
  Start(condition() == Condition::kLoad ? 2 : 1);
  double slowest = 0;
  std::string slowest_after = "none";
  {
    std::unique_ptr<Load> load;
    if (condition() == Condition::kLoad) {
      load = std::make_unique<Load>(channel(), WorkBeside(std::get<std::string>(GetParam())));
    }
    for (const Citizen& citizen : citizens) {
      if (only != nullptr && citizen.name != only) continue;
      SCOPED_TRACE(citizen.name + (citizen.tag == v1::IO ? ", I/O lane" : ", CPU lane"));
      const std::map<std::string, uint64_t> refused = Refused();
      const v1::Outcome outcome = Run(citizen.task);
      const std::string unexpected = Unexpected(citizen, outcome);
      EXPECT_TRUE(unexpected.empty()) << unexpected;
      if (condition() == Condition::kBackToBack) continue;
      const double seconds = ExpectAsBefore(citizen);
      if (seconds > slowest) {
        slowest = seconds;
        slowest_after = citizen.name;
      }
      ExpectRefused(citizen, refused);
      if (condition() != Condition::kIdle) continue;
      EXPECT_LT(seconds, citizen.tag == v1::IO ? 2.0 : 1.0) << "until the slot could be used after " << citizen.name;
      ExpectServerAsBefore(citizen.name);
    }
  }
  for (const auto& [kind, found] : found_) EXPECT_EQ(Look(kind.first, kind.second), found) << "met after all of them";
  ExpectServerAsBefore("all of them");
  const int64_t grown_kib = StatusOf(pid(), "VmRSS") - memory_kib_;
  EXPECT_LT(grown_kib, 16 << 10) << "the server's memory";
  std::cout << citizens.size() << " runs; the next task was over at the latest " << static_cast<int>(slowest * 1000)
            << " ms after the end (" << slowest_after << "); the server grew by " << grown_kib << " KiB\n";
}

// All kinds, one after the other: a few here, and as many as GILD_CROWD says by hand.
TEST_F(CitizensFixture, ACrowdOfThemLeavesTheServerAsItWas) {
  std::vector<Citizen> citizens;
  for (const std::string& kind : kKinds) {
    for (Citizen& citizen : Citizens(kind)) citizens.push_back(std::move(citizen));
  }
  const char* const asked = getenv("GILD_CROWD");
  const int count = asked != nullptr ? std::stoi(asked) : 50;
  std::mt19937 random(Seed());
  Start();
  const int server = pid();
  int64_t warm_kib = 0;
  for (int i = 0; i < count; ++i) {
    if (i == count / 10) warm_kib = StatusOf(server, "VmRSS");
    const Citizen& citizen = citizens[random() % citizens.size()];
    SCOPED_TRACE(citizen.name + (citizen.tag == v1::IO ? ", I/O lane" : ", CPU lane"));
    const std::string unexpected = Unexpected(citizen, Run(citizen.task));
    EXPECT_TRUE(unexpected.empty()) << unexpected;
  }
  for (const auto& [kind, found] : found_) EXPECT_EQ(Look(kind.first, kind.second), found) << "met after all of them";
  ExpectServerAsBefore("the crowd");
  EXPECT_EQ(pid(), server);
  std::cout << count << " tasks; the server's memory " << warm_kib << " KiB after a tenth, "
            << StatusOf(server, "VmRSS") << " KiB at the end\n";
}

// A table that nobody counts is wrong soon.
TEST(CitizensTableTest, TheReadmeCountsThem) {
  const std::string readme = Testcase("README.md");
  for (const std::string& kind : kKinds) {
    const std::vector<Citizen> citizens = Citizens(kind);
    std::set<std::string> programs;
    for (const Citizen& citizen : citizens) programs.insert(citizen.name);
    const auto in_cpu_lane =
        std::count_if(citizens.begin(), citizens.end(), [](const Citizen& citizen) { return citizen.tag == v1::CPU; });
    std::ostringstream row;
    row << " | " << programs.size() << " | " << in_cpu_lane << " | " << citizens.size() - in_cpu_lane << " |\n";
    const size_t begin = readme.find("| `" + kind + "` |");
    ASSERT_NE(begin, std::string::npos) << kind;
    EXPECT_THAT(readme.substr(begin, readme.find('\n', begin) + 1 - begin), ::testing::EndsWith(row.str()));
  }
}

}  // namespace
}  // namespace gild::testing
