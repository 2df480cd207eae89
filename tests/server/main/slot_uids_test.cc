#include "server/main/slot_uids.h"

#include <gtest/gtest.h>

#include <map>

#include "server/task/capacity.h"

namespace gild {
namespace {

// Of the kernel's first pid namespace; those made later count from there.
constexpr uint64_t kMachines = 0xeffffffc;
constexpr uint32_t kSlotsOfIo = 2 * kInterpretersMax;
constexpr uint32_t kSlotsOfCpu = (3 + kFreshStockMax) * kInterpretersMax;

TEST(SlotUidsTest, ServersOfOneNamespaceNeverMeet) {
  std::map<uint32_t, uint32_t> ends;  // of ranges, by their beginning
  for (uint32_t pid = 1; pid <= 65'536; ++pid) {
    const uint32_t io = FirstUid(LaneKind::kIo, pid, kMachines);
    const uint32_t cpu = FirstUid(LaneKind::kCpu, pid, kMachines);
    ASSERT_TRUE(ends.emplace(io, io + kSlotsOfIo).second) << pid;
    ASSERT_TRUE(ends.emplace(cpu, cpu + kSlotsOfCpu).second) << pid;
  }
  uint32_t last = 1'900'000'000;
  for (const auto& [begin, end] : ends) {
    ASSERT_GE(begin, last);
    last = end;
  }
  EXPECT_LE(last, 1U << 31);
}

TEST(SlotUidsTest, TwoContainersWhoseServersAreBothTheFirstProcessHaveUidsOfTheirOwn) {
  std::map<uint32_t, uint64_t> namespaces;
  for (uint64_t i = 0; i < 65'536; ++i) {
    ASSERT_TRUE(namespaces.emplace(FirstUid(LaneKind::kIo, 1, kMachines + i), i).second) << i;
  }
}

TEST(SlotUidsTest, NeighbouringNamespacesDoNotMeetInTheirSmallPids) {
  std::map<uint32_t, std::pair<uint64_t, uint32_t>> servers;
  for (uint64_t i = 0; i < 100; ++i) {
    for (uint32_t pid = 1; pid <= 100; ++pid) {
      ASSERT_TRUE(servers.emplace(FirstUid(LaneKind::kCpu, pid, kMachines + i), std::pair(i, pid)).second)
          << "namespace " << i << ", pid " << pid;
    }
  }
}

TEST(SlotUidsTest, TheNamespaceIsKnown) { EXPECT_NE(PidNamespace(), 0u); }

}  // namespace
}  // namespace gild
