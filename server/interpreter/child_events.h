// What an init or the zygote waits for: a frame from the server, the end of a child, or one thing more. One thread.
//
// SIGCHLD stays blocked and comes through a descriptor; forked children must call Unblock.
#pragma once

#include "server/base/unique_fd.h"

namespace gild {

class ChildEvents {
 public:
  // `conversation` outlives it.
  explicit ChildEvents(int conversation);

  enum class Event { kFrame, kChildEnded, kWatched, kTimeout };
  // Frames first, so that an order is never kept waiting by a storm of endings; then endings. `watched`: a descriptor
  // that may become readable or come to its end; -1: none.
  Event Wait(int watched = -1, int timeout_ms = -1);

  // In a forked child: the default mask again.
  static void Unblock();

 private:
  const int conversation_;
  UniqueFd signals_;
};

}  // namespace gild
