#include "server/lane/reading_pace.h"

#include <algorithm>
#include <utility>

namespace gild {

void ReadingPace::Ended(int64_t sent_ns, int64_t end_ns, int64_t now_ns) {
  // While it had nothing to do, no task took that time.
  const int64_t begin_ns = std::max(last_end_ns_, sent_ns);
  last_end_ns_ = std::clamp(end_ns, last_end_ns_, std::max(last_end_ns_, now_ns));
  const int64_t took_ns = std::clamp<int64_t>(last_end_ns_ - begin_ns, 0, kRestNsMax);
  task_ns_ += (took_ns - task_ns_) / 8;
}

int64_t ReadingPace::RestNs(size_t ready) {
  if (std::exchange(bytes_, 0) > kBytesMax || ready < kReadyMin) return 0;
  const int64_t rest_ns = std::min(kRestNsMax, static_cast<int64_t>(ready) * task_ns_ / 2);
  return rest_ns < kRestNsMin ? 0 : rest_ns;
}

}  // namespace gild
