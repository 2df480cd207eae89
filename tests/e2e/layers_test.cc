// Each layer is worth something: switched off, it lets a bad citizen through that all the others do not stop. (That
// none gets through when all are in force is what citizens_test.cc says.) Where no task could tell, the machine can.
//
// GILD_LAYERS=kind,kind by hand: which citizens of those kinds get through without each layer. In a cage: they do.
#include <gmock/gmock.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "tests/testing/citizen.h"
#include "tests/testing/server_fixture.h"

namespace gild::testing {
namespace {

struct Worth {
  const char* layer;
  const char* citizen;
  v1::Tag tag = v1::CPU;
};

const Worth kWorths[] = {
    {"own-uid", "escapes/links_out"},
    {"user-namespace", "escapes/owners"},
    {"pid-namespace", "escapes/signals_by_descriptor"},
    {"mount-namespace", "escapes/above_the_root"},
    {"uts-namespace", "escapes/machine_name"},
    {"cgroup-namespace", "escapes/control_groups"},
    {"network-namespace", "escapes/network_tables"},
    {"memory-group", "escapes/memory_limit_lifted"},
    {"pids-group", "bombs/processes_of_its_own"},
    {"no-exec-memory", "escapes/memory_file_started"},
    {"seccomp", "escapes/keyrings"},
    {"landlock", "escapes/own_program_started"},
    {"no-capabilities", "escapes/capabilities"},
    {"rlimits", "escapes/limits_raised"},
    {"oom-score", "escapes/process_settings"},
    {"closed-descriptors", "escapes/descriptors"},
    {"clean-environment", "escapes/environment"},
};

class LayersTest : public ServerFixture {
 protected:
  // Empty: with all of them.
  void StartWithout(const std::string& layer) {
    std::vector<std::string> flags = {"--io-interpreters", "1",      "--cpu-interpreters", "1",
                                      "--cpu-memory",      "192MiB", "--io-memory",        "384MiB"};
    if (!layer.empty()) flags.insert(flags.end(), {"--without-layers", layer});
    setenv("GILD_TEST_SECRET", "the server's own", /*overwrite=*/1);
    StartServer(flags);
  }
};

class LayerTest : public LayersTest, public ::testing::WithParamInterface<Worth> {};

INSTANTIATE_TEST_SUITE_P(Layers, LayerTest, ::testing::ValuesIn(kWorths), [](const auto& info) {
  std::string name = info.param.layer;
  name.erase(std::remove(name.begin(), name.end(), '-'), name.end());
  return name;
});

TEST_P(LayerTest, WithoutItOneGetsThrough) {
  const std::string name = GetParam().citizen;
  std::vector<Citizen> citizens = Citizens(name.substr(0, name.find('/')));
  const auto citizen = std::find_if(citizens.begin(), citizens.end(),
                                    [&](const Citizen& one) { return one.name == name && one.tag == GetParam().tag; });
  ASSERT_NE(citizen, citizens.end()) << "there is no such citizen: " << name;
  StartWithout("");
  if (GetInfo().isolation_level() != "full") GTEST_SKIP() << "another layer may be missing as well";
  EXPECT_EQ(Unexpected(*citizen, Run(citizen->task)), "") << "with all layers";
  StopServer();
  StartWithout(GetParam().layer);
  const v1::Outcome outcome = Run(citizen->task);
  EXPECT_NE(Unexpected(*citizen, outcome), "") << name << " is stopped all the same";
  // It came to its end, and says so.
  EXPECT_THAT(outcome.ending(), ::testing::AnyOf(v1::RAISED, v1::SUCCEEDED)) << outcome.DebugString();
}

// Where a process is kept by a layer that no task notices, as the machine names the place.
struct Kept {
  const char* layer;
  const char* space;  // of /proc/PID/ns; else
  const char* tree;   // of control groups: its controller; "": that of version 2
};

const Kept kKept[] = {
    {"ipc-namespace", "ipc", nullptr},
    {"cpu-group", nullptr, "cpu"},
    {"kill-group", nullptr, ""},
};

class KeptTest : public LayersTest, public ::testing::WithParamInterface<Kept> {
 protected:
  // Empty: there is no such tree on this machine.
  static std::string PlaceOf(int pid) {
    if (GetParam().tree != nullptr) return GroupOf(pid, GetParam().tree);
    return std::filesystem::read_symlink(absl::StrCat("/proc/", pid, "/ns/", GetParam().space));
  }
  static std::string GroupOf(int pid, const std::string& tree) {
    std::ifstream groups(absl::StrCat("/proc/", pid, "/cgroup"));
    for (std::string line; std::getline(groups, line);) {
      const std::vector<std::string> parts = absl::StrSplit(line, absl::MaxSplits(':', 2));
      for (const std::string& controller : std::vector<std::string>(absl::StrSplit(parts.at(1), ','))) {
        if (controller == tree) return parts.at(2);
      }
    }
    return "";
  }
};

INSTANTIATE_TEST_SUITE_P(Layers, KeptTest, ::testing::ValuesIn(kKept), [](const auto& info) {
  std::string name = info.param.layer;
  name.erase(std::remove(name.begin(), name.end(), '-'), name.end());
  return name;
});

TEST_P(KeptTest, WithoutItASlotIsWhereTheServerIs) {
  StartWithout("");
  if (GetInfo().isolation_level() != "full") GTEST_SKIP() << "it may be missing";
  const std::string servers = PlaceOf(pid());
  // Version 2 alone names no controllers.
  if (servers.empty() || (GetParam().tree != nullptr && GroupOf(pid(), "cpu").empty())) {
    GTEST_SKIP() << "one tree for all groups: a slot is kept there by the others as well";
  }
  for (const char* const slot : {"cpu-0", "io-0"}) {
    EXPECT_NE(PlaceOf(static_cast<int>(Slot(slot).pid())), servers) << slot;
  }
  StopServer();
  StartWithout(GetParam().layer);
  for (const char* const slot : {"cpu-0", "io-0"}) {
    // The fence lies around the same group.
    if (GetParam().layer == std::string("kill-group") && slot == std::string("io-0")) continue;
    EXPECT_EQ(PlaceOf(static_cast<int>(Slot(slot).pid())), PlaceOf(pid())) << slot;
  }
}

TEST_F(LayersTest, WhoGetsThroughByHand) {
  const char* const kinds = getenv("GILD_LAYERS");
  if (kinds == nullptr) GTEST_SKIP() << "by hand, with GILD_LAYERS";
  StartServer();
  const v1::Info info = GetInfo();
  StopServer();
  std::set<std::string> layers;
  for (const v1::LaneInfo& lane : info.lanes()) layers.insert(lane.isolation().begin(), lane.isolation().end());
  for (const std::string& layer : layers) {
    StartWithout(layer);
    std::cout << layer << ":" << std::flush;
    for (const std::string& kind : std::vector<std::string>(absl::StrSplit(kinds, ','))) {
      for (const Citizen& citizen : Citizens(kind)) {
        if (Unexpected(citizen, Run(citizen.task)).empty()) continue;
        std::cout << " " << citizen.name << (citizen.tag == v1::IO ? " (I/O)" : "") << std::flush;
      }
    }
    std::cout << "\n";
    StopServer();
  }
}

}  // namespace
}  // namespace gild::testing
