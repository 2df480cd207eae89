#include "server/interpreter/thread_times.h"

namespace gild {

ThreadTimes::Sums ThreadTimes::Begin(int64_t now_ns) {
  if (const std::optional<Sums> reckoned = Reckoned(now_ns)) return *reckoned;
  return Read(now_ns, /*look=*/false);
}

ThreadTimes::Sums ThreadTimes::End(int64_t now_ns, bool look) {
  if (const std::optional<Sums> reckoned = Reckoned(now_ns); reckoned && !look) return *reckoned;
  return Read(now_ns, look);
}

std::optional<ThreadTimes::Sums> ThreadTimes::Reckoned(int64_t now_ns) const {
  const int64_t since_ns = now_ns - at_ns_;
  if (since_ns >= kSameMomentNs) return std::nullopt;
  return Sums{.cpu_ns = cpu_ns_ + since_ns, .cpu_wait_ns = cpu_wait_ns_};
}

ThreadTimes::Sums ThreadTimes::Read(int64_t now_ns, bool look) {
  at_ns_ = now_ns;
  cpu_ns_ = clocks_.cpu_ns();
  const int64_t off_core_ns = (now_ns - looked_at_ns_) - (cpu_ns_ - looked_cpu_ns_);
  if (look || off_core_ns >= kUnseenNs) {
    looked_at_ns_ = now_ns;
    looked_cpu_ns_ = cpu_ns_;
    cpu_wait_ns_ = clocks_.cpu_wait_ns();
  }
  return {.cpu_ns = cpu_ns_, .cpu_wait_ns = cpu_wait_ns_};
}

}  // namespace gild
