#include "server/interpreter/python.h"

#include <signal.h>

#include <thread>

#include "server/base/clock.h"
#include "server/interpreter/event_loop.h"
#include "server/interpreter/output.h"
#include "server/meter/lock_hooks.h"

namespace gild {
namespace {

// kStreamsSource, kBootstrapSource and kEventLoopSource, made by CMake from streams.py, bootstrap.py and event_loop.py.
#include "bootstrap_source.inc"
#include "event_loop_source.inc"
#include "streams_source.inc"

constexpr int64_t kCalibrationLimitNs = 2 * kNsPerSecond;

absl::Status StatusOf(const PyStatus& status) {
  if (!PyStatus_Exception(status)) return absl::OkStatus();
  return absl::InternalError(std::string("start Python: ") + (status.err_msg != nullptr ? status.err_msg : "exit"));
}

absl::StatusOr<PyRef> ImportEmbedded(const char* source, const char* module_name, const char* file_name) {
  const PyRef code(Py_CompileString(source, file_name, Py_file_input));
  PyRef module;
  if (code) module = PyRef(PyImport_ExecCodeModuleEx(module_name, code.get(), file_name));
  if (!module) return absl::InternalError(std::string("import ") + module_name + ": " + DescribeException());
  return module;
}

}  // namespace

PyRef TakeException() {
#if PY_VERSION_HEX >= 0x030c0000
  return PyRef(PyErr_GetRaisedException());
#else
  PyObject *type, *value, *traceback;
  PyErr_Fetch(&type, &value, &traceback);
  PyErr_NormalizeException(&type, &value, &traceback);
  if (traceback != nullptr) PyException_SetTraceback(value, traceback);
  Py_XDECREF(type);
  Py_XDECREF(traceback);
  return PyRef(value);
#endif
}

std::string DescribeException() {
  const PyRef error = TakeException();
  const PyRef text(PyObject_Str(error.get()));
  const char* message = text ? PyUnicode_AsUTF8(text.get()) : nullptr;
  std::string described = std::string(Py_TYPE(error.get())->tp_name) + ": " + (message != nullptr ? message : "?");
  PyErr_Clear();
  return described;
}

absl::Status StartPython() {
  if (PyImport_AppendInittab("_gild", MakeOutputModule) != 0 ||
      PyImport_AppendInittab("_gild_loop", MakeEventLoopModule) != 0) {
    return absl::InternalError("register the modules _gild and _gild_loop");
  }
  PyConfig config;
  PyConfig_InitIsolatedConfig(&config);
  config.write_bytecode = 0;
  // Signals belong to user code; nobody presses Ctrl-C here.
  config.install_signal_handlers = 0;
  // From the program's name CPython finds its library, and users find sys.executable.
  PyStatus status = PyConfig_SetBytesString(&config, &config.program_name, GILD_PYTHON);
  if (!PyStatus_Exception(status)) status = Py_InitializeFromConfig(&config);
  PyConfig_Clear(&config);
  // As Python would have done: a closed pipe and a file that grows too large are exceptions, not deaths.
  signal(SIGPIPE, SIG_IGN);
  signal(SIGXFSZ, SIG_IGN);
  return StatusOf(status);
}

absl::StatusOr<PyRef> ImportBootstrap() {
  absl::StatusOr<PyRef> streams = ImportEmbedded(kStreamsSource, "_gild_streams", kOwnFile);
  if (!streams.ok()) return streams;
  const PyRef done(PyObject_CallMethod(streams->get(), "install_streams", nullptr));
  if (!done) return absl::InternalError("replace sys.stdout: " + DescribeException());
  return ImportEmbedded(kBootstrapSource, "_gild_bootstrap", kOwnFile);
}

absl::StatusOr<PyRef> ImportEventLoop() {
  return ImportEmbedded(kEventLoopSource, "_gild_event_loop", "<gild event loop>");
}

absl::Status CalibrateMeter() {
#ifdef Py_GIL_DISABLED
  return absl::UnavailableError("this CPython is free-threaded: it has no lock to see");
#else
  // The other thread must wait, because we have the lock; then we let go, and it must take it.
  std::thread learner([] {
    BeginLearning();
    const PyGILState_STATE state = PyGILState_Ensure();
    EndLearning();
    PyGILState_Release(state);
  });
  const int64_t until_ns = NowNs() + kCalibrationLimitNs;
  while (!SawWait() && NowNs() < until_ns) std::this_thread::yield();
  Py_BEGIN_ALLOW_THREADS;
  learner.join();
  Py_END_ALLOW_THREADS;
  if (!LockHooksCalibrated()) {
    return absl::UnavailableError("this CPython does not wait for its lock through pthread_cond_timedwait");
  }
  return absl::OkStatus();
#endif
}

absl::Status Preload(const std::vector<std::string>& modules) {
  for (const std::string& name : modules) {
    const PyRef module(PyImport_ImportModule(name.c_str()));
    if (!module) return absl::NotFoundError("cannot preload '" + name + "': " + DescribeException());
  }
  return absl::OkStatus();
}

}  // namespace gild
