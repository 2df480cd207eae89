// PeakMemory is the highest resident memory of the process during each of many tasks, one at a time.
//
// To reset the kernel's own figure costs as much as a small task. So it is reset again only when a task has raised it
// since, or after kResetNs: what was given back, or used between two tasks, may count until then.
//
// Thread-compatible.
//
//   PeakMemory peak({.reset = ResetPeakMemory, .bytes = PeakMemoryBytes});
//   const bool known = peak.Begin(NowNs());
//   … the task …
//   if (known) Report(peak.End());
#pragma once

#include <cstdint>
#include <optional>

#include "server/base/clock.h"

namespace gild {

class PeakMemory {
 public:
  static constexpr int64_t kResetNs = 10 * kNsPerMs;

  // The kernel's figure since its last reset.
  struct Kernel {
    bool (*reset)();  // false: it cannot be
    std::optional<int64_t> (*bytes)();
  };

  explicit PeakMemory(Kernel kernel) : kernel_(kernel) {}

  // False: the task's peak cannot be told from an earlier one's.
  bool Begin(int64_t now_ns);
  // Since Begin; empty: unavailable.
  std::optional<int64_t> End();

 private:
  const Kernel kernel_;
  int64_t reset_ns_ = 0;
  std::optional<int64_t> reset_bytes_;  // just after the reset
  std::optional<int64_t> bytes_;        // at the last look
};

}  // namespace gild
