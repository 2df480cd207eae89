// What an init or the zygote waits for: a frame from the server, or the end of a child. One thread.
//
// SIGCHLD stays blocked and comes through a descriptor; forked children must call Unblock.
#pragma once

#include "server/base/unique_fd.h"

namespace gild {

class ChildEvents {
 public:
  // `conversation` outlives it.
  explicit ChildEvents(int conversation);

  enum class Event { kFrame, kChildEnded };
  // Frames first, so that an order is never kept waiting by a storm of endings.
  Event Wait();

  // In a forked child: the default mask again.
  static void Unblock();

 private:
  const int conversation_;
  UniqueFd signals_;
};

}  // namespace gild
