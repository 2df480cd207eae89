// A thread bound to one core for a while.
#pragma once

#include <sched.h>

namespace gild {

// Binds the calling thread to a core, and back to the cores it was allowed before.
class CoreBinding {
 public:
  // Nothing happens when it is bound already, or may not run there.
  void Bind(int core);
  void Undo();

 private:
  bool bound_ = false;
  cpu_set_t before_;
};

}  // namespace gild
