// KnownNames: what every task finds, whatever the last one did. As they were: the builtins, `gild`, the output streams,
// what exceptions are told with, and what traces new threads. There at least: the names of sys and threading, and the
// modules that were there before the first task. What is missing, or is another where it should be the same, is put
// back. What a task adds, and what it changes within a module, stays: tasks of one interpreter share its modules.
//
// With the lock only. To ask costs a comparison or four (a dict counts its changes: PEP 509).
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "server/interpreter/python.h"

namespace gild {

class KnownNames {
 public:
  // As they are now. REQUIRES: the bootstrap's streams are installed.
  KnownNames();

  void PutBack();

 private:
  using Entries = std::vector<std::pair<PyRef, PyRef>>;

  struct Names {
    PyObject* dict;  // borrowed from the interpreter, which keeps it
    Entries same;    // must be what they were
    Entries there;   // must be there
    uint64_t version = 0;
  };

  // Puts back what is missing or another; what was in its place is kept in `displaced`.
  void PutBackOnce(std::vector<PyRef>* displaced);
  static uint64_t VersionOf(PyObject* dict);

  std::vector<Names> all_;
};

}  // namespace gild
