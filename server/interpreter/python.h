// The embedded CPython: how it is started, how its lock meter is calibrated, and PyRef, an owned reference.
//
// The only folder that includes Python.h. Thread rule: everything here but StartPython is called with the lock held.
// Names of exceptions and steps are turned into absl::Status here, so that callers above need no PyErr_* calls.
#pragma once

// First: it defines feature macros.
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace gild {

class PyRef {
 public:
  PyRef() = default;
  // Takes over a new reference (may be null: an exception is set).
  explicit PyRef(PyObject* owned) : object_(owned) {}
  PyRef(PyRef&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
  PyRef& operator=(PyRef&& other) noexcept {
    if (this != &other) {
      Py_XDECREF(object_);
      object_ = std::exchange(other.object_, nullptr);
    }
    return *this;
  }
  ~PyRef() { Py_XDECREF(object_); }

  PyObject* get() const { return object_; }
  explicit operator bool() const { return object_ != nullptr; }

 private:
  PyObject* object_ = nullptr;
};

// The exception that is set, normalised and with its traceback; clears it. REQUIRES: one is set.
PyRef TakeException();
// "ValueError: bad" of the exception that is set; clears it.
std::string DescribeException();

// Starts an isolated interpreter; the caller has the lock afterwards. The distribution's site-packages are importable.
absl::Status StartPython();

// As the frames of streams.py and bootstrap.py name their file.
inline constexpr char kOwnFile[] = "<gild>";

// The module of bootstrap.py, imported once; the streams of streams.py are installed. REQUIRES: StartPython.
absl::StatusOr<PyRef> ImportBootstrap();

// The module of event_loop.py. REQUIRES: ImportBootstrap.
absl::StatusOr<PyRef> ImportEventLoop();

// Learns the lock's condition variables by one contended acquire. An error says why the meter is not available.
absl::Status CalibrateMeter();

// Imports each; the error names the one that failed.
absl::Status Preload(const std::vector<std::string>& modules);

}  // namespace gild
