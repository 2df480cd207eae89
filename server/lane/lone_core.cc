#include "server/lane/lone_core.h"

#include "server/base/core_binding.h"

namespace gild {
namespace {

void KeepTo(int core) {
  thread_local CoreBinding binding;
  thread_local int kept = -1;
  if (core == kept) return;
  binding.Undo();
  if (core >= 0) binding.Bind(core);
  kept = core;
}

}  // namespace

void LoneCore::HandsOver(int core, int64_t now_ns) {
  int to_keep;
  {
    absl::MutexLock lock(&mutex_);
    const bool lone = in_flight_++ == 0 && core >= 0 && core == core_ && now_ns - last_ns_ < kApartNs;
    in_a_row_ = lone ? in_a_row_ + 1 : 1;
    core_ = core;
    last_ns_ = now_ns;
    to_keep = CoreToKeep(now_ns);
  }
  KeepTo(to_keep);
}

void LoneCore::HearsOf(int64_t tasks, int64_t now_ns) {
  int to_keep;
  {
    absl::MutexLock lock(&mutex_);
    in_flight_ -= tasks;
    to_keep = CoreToKeep(now_ns);
  }
  KeepTo(to_keep);
}

int LoneCore::CoreToKeep(int64_t now_ns) const {
  return in_a_row_ >= kTasks && now_ns - last_ns_ < kApartNs ? core_ : -1;
}

}  // namespace gild
