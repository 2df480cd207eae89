// KnownNames: what every task finds, whatever the last one did: the builtins as they were, and at least the names of
// sys and the modules that were there before the first task. What is missing, or among the builtins another, is put
// back. What a task adds, and what it changes within a module, stays: tasks of one interpreter share its modules.
//
// With the lock only. To ask costs a comparison or three (a dict counts its changes: PEP 509).
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "server/interpreter/python.h"

namespace gild {

class KnownNames {
 public:
  // As they are now.
  KnownNames();

  void PutBack();

 private:
  struct Names {
    PyObject* dict;  // borrowed from the interpreter, which keeps it
    std::vector<std::pair<PyRef, PyRef>> entries;
    uint64_t version = 0;
  };

  static Names Take(PyObject* dict);
  static uint64_t VersionOf(PyObject* dict);

  Names builtins_;
  Names sys_;
  Names modules_;
};

}  // namespace gild
