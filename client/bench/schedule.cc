#include "client/bench/schedule.h"

#include <cmath>

#include "client/bench/clock.h"

namespace gild::bench {

int64_t Schedule::Next() {
  switch (spacing_) {
    // From the index, so that no error adds up.
    case Spacing::kEven: at_ns_ = static_cast<double>(index_++) / rate_ * kNsPerSecond; break;
    case Spacing::kPoisson: {
      // Not std::exponential_distribution: its numbers differ from library to library.
      const double chance = static_cast<double>(dice_() >> 11) * 0x1p-53;  // in [0, 1)
      at_ns_ += -std::log1p(-chance) / rate_ * kNsPerSecond;
      break;
    }
  }
  return static_cast<int64_t>(at_ns_);
}

}  // namespace gild::bench
