#include "server/main/slot_uids.h"

#include <sys/stat.h>

#include "server/task/capacity.h"

namespace gild {
namespace {

constexpr uint32_t kFirst = 1'900'000'000;
constexpr uint32_t kOfIoLane = 2 * kInterpretersMax;
constexpr uint32_t kOfCpuLane = (3 + kFreshStockMax) * kInterpretersMax;
constexpr uint32_t kServers = 1 << 16;
static_assert(kFirst + uint64_t{kServers} * (kOfIoLane + kOfCpuLane) < (uint64_t{1} << 31));
// Odd, so that each of 65,536 namespaces in a row has another range, and neighbours are far apart: their servers have
// small pids (Knuth's multiplicative hash).
constexpr uint64_t kSpread = 40'503;

}  // namespace

uint32_t FirstUid(LaneKind lane, uint32_t pid, uint64_t pid_namespace) {
  const uint32_t server = (pid + pid_namespace * kSpread) % kServers;
  return kFirst + server * (kOfIoLane + kOfCpuLane) + (lane == LaneKind::kIo ? 0 : kOfIoLane);
}

uint64_t PidNamespace() {
  struct stat status;
  return stat("/proc/self/ns/pid", &status) == 0 ? status.st_ino : 0;
}

}  // namespace gild
