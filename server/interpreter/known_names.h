// KnownNames: what every task finds, whatever the last one did. As they were: the builtins, `gild`, the standard
// streams, what exceptions are told with, and what traces new threads; where a task has the process to itself, what is
// in os.environ and the time zone's names, too. There, as far as a task has left fewer than there were: the names of
// sys and threading (and of os and time), and the modules that were there before the first task. What a task adds, and
// what else it changes within a module, stays: tasks of one interpreter share its modules.
//
// With the lock only. To ask costs a comparison for each dict (it counts its changes: PEP 509).
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

  // `alone`: no other task runs here, which could need what it has put in an old one's place.
  void PutBack(bool alone);

 private:
  using Entries = std::vector<std::pair<PyRef, PyRef>>;

  enum class Kind {
    kAlways,
    kAlone,      // put back where a task is alone
    kAloneOnly,  // likewise, and what a task has added goes
  };
  struct Names {
    PyRef dict;
    Kind kind;
    Entries same;   // must be what they were
    Entries there;  // must be there
    uint64_t version = 0;
  };

  // Puts back what is missing or another; what was in its place is kept in `displaced`.
  void PutBackOnce(bool alone, std::vector<PyRef>* displaced);
  static uint64_t VersionOf(PyObject* dict);

  std::vector<Names> all_;
};

}  // namespace gild
