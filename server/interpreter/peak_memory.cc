#include "server/interpreter/peak_memory.h"

namespace gild {

bool PeakMemory::Begin(int64_t now_ns) {
  const bool raised = !reset_bytes_ || bytes_ != reset_bytes_;
  if (!raised && now_ns - reset_ns_ < kResetNs) return true;
  reset_bytes_ = kernel_.reset() ? kernel_.bytes() : std::nullopt;
  bytes_ = reset_bytes_;
  reset_ns_ = now_ns;
  return reset_bytes_.has_value();
}

std::optional<int64_t> PeakMemory::End() { return bytes_ = kernel_.bytes(); }

}  // namespace gild
