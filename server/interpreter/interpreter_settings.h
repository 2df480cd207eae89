// InterpreterSettings: CPython's own settings as they were before the first task, and how they are put back.
//
// With the lock only. In C++: looked at before each task, they would cost the smallest one as much as its own code.
#pragma once

#include <cstddef>
#include <vector>

#include "server/interpreter/python.h"

namespace gild {

class InterpreterSettings {
 public:
  InterpreterSettings();

  // False: an exception is set. `alone`: one task at a time, so all of them; beside others, who may have raised a limit
  // for themselves, only what would harm the next task.
  bool PutBack(bool alone);

 private:
  // What two functions of Python's tell and set.
  struct Setting {
    PyRef get;
    PyRef value;  // that it told before the first task
    PyRef set;
    PyRef arguments;  // with which it sets that value
  };

  bool PutBackOnesOwn();
  bool PutBackListeners();

  const int recursion_limit_;
  const size_t stack_bytes_;  // of a thread that is started; 0: as the system says
  Setting switch_interval_;
  // The collector's, and whether allocations are traced: a task that has the interpreter to itself.
  std::vector<Setting> ones_own_;
  PyRef listeners_;        // gc.callbacks, and
  PyRef first_listeners_;  // what was in it
};

}  // namespace gild
