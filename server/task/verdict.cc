#include "server/task/verdict.h"

#include <algorithm>

namespace gild {
namespace {

constexpr double kMostOf = 0.5;

}  // namespace

std::optional<Verdict> VerdictOf(const Usage& usage, const std::optional<LockUsage>& lock) {
  if (!lock || !usage.run_ns || !usage.cpu_ns || *usage.run_ns <= 0) return std::nullopt;
  const double hold = lock->hold_ns;
  const double native = std::max<double>(0, *usage.cpu_ns - hold);
  // Of several threads, or steps that waited for the loop at once, the sums may exceed the run.
  const int64_t others_doing_ns = lock->wait_ns + usage.loop_wait_ns.value_or(0);
  const double own = std::max<double>({1, hold + native, static_cast<double>(*usage.run_ns - others_doing_ns)});
  Verdict verdict{.holding = hold / own, .native = native / own};
  verdict.waiting = 1 - verdict.holding - verdict.native;
  if (verdict.holding > kMostOf) {
    verdict.kind = Verdict::Kind::kLockBound;
  } else if (verdict.native > kMostOf) {
    verdict.kind = Verdict::Kind::kNative;
  } else if (verdict.waiting > kMostOf) {
    verdict.kind = Verdict::Kind::kIoBound;
  }
  return verdict;
}

}  // namespace gild
