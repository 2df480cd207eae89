// LockProfile: in which functions the calling thread's task holds the lock: CPython's profile hook (PyEval_SetProfile)
// brings every call and return to a FunctionLedger, together with how long the thread has held the lock so far.
//
// The sums are exact; what the hook itself costs, some 0.1 µs a call and a return each, is in them. A C function that
// bytecode calls is a function of its own; one that other C code calls counts as its caller's, as do NumPy's ufuncs,
// which are no functions to CPython. What gild does around the task is `(gild)`, what has no place any more `(other)`.
//
// It ends early where the task sets a profile function of its own (sys.setprofile, cProfile): what came before stands.
//
// Thread rule: one at a time in a process; made, ended and destroyed by the thread that it is about, with the lock.
//
//   LockProfile profile;
//   …                        // the task
//   profile.End();
//   profile.Report(&ended);
#pragma once

#include <vector>

#include "gild/internal/frames.pb.h"
#include "server/interpreter/python.h"
#include "server/meter/function_ledger.h"

namespace gild {

class LockProfile {
 public:
  // REQUIRES: the lock's meter is calibrated.
  LockProfile();
  LockProfile(const LockProfile&) = delete;
  LockProfile& operator=(const LockProfile&) = delete;
  ~LockProfile();

  // What comes now is not the task's any more.
  void End();
  // The functions that held it the longest. Allocates.
  void Report(internal::TaskEnded* ended) const;

 private:
  // Kept alive, so that its address is nobody else's: the code of a Python function. Of a C function, whose callable
  // may hold anything, the names.
  struct Name {
    PyRef code;
    PyRef function;
    PyRef module;
  };

  static int OnEvent(PyObject*, PyFrameObject* frame, int what, PyObject* argument);
  void OnCall(PyFrameObject* frame);
  void OnCCall(PyObject* callable);
  void Describe(size_t place, internal::FunctionHold* hold) const;

  FunctionLedger ledger_;
  std::vector<Name> names_;  // by place
};

}  // namespace gild
