// ReadingPace says for how long the channel of a busy interpreter may be left alone, so that the ends of small tasks
// are read together: each wakes the poller, which pushes an interpreter, at nice 19, off its core.
//
// For half of the time that what lies ready there will take: then there is time to send more. At most kRestNsMax, and
// not at all where little lies ready, or where it says much: an interpreter whose channel is full waits until it is
// read. The child's word is believed as far as that: it bounds its own rest.
//
// Thread-compatible.
//
//   for (each frame that came) { pace.Read(bytes); pace.Ended(sent_ns, end_ns, now_ns); }
//   if (const int64_t rest_ns = pace.RestNs(ready)) channel->RestUntil(now_ns + rest_ns);
#pragma once

#include <cstddef>
#include <cstdint>

#include "server/base/clock.h"

namespace gild {

class ReadingPace {
 public:
  static constexpr int64_t kRestNsMax = 400 * kNsPerUs;
  static constexpr int64_t kRestNsMin = 20 * kNsPerUs;  // a shorter one is not worth a timer
  static constexpr size_t kReadyMin = 3;
  static constexpr size_t kBytesMax = 16 << 10;

  // A frame of so many bytes came.
  void Read(size_t bytes) { bytes_ += bytes; }
  // A task that was sent then has ended then, says the child.
  void Ended(int64_t sent_ns, int64_t end_ns, int64_t now_ns);
  // After what came together has been read; so many tasks lie ready behind the one that runs. 0: look on.
  int64_t RestNs(size_t ready);

 private:
  size_t bytes_ = 0;  // since the last RestNs
  int64_t last_end_ns_ = 0;
  int64_t task_ns_ = 0;  // that one takes, about: of the last eight
};

}  // namespace gild
