#include "server/interpreter/main_module.h"

#include "server/base/errors.h"

namespace gild {
namespace {

// What Linux gives a thread whose starter did not say.
constexpr size_t kUsualStackBytes = size_t{8} << 20;

PyRef FirstNamespace(PyObject* name) {
  const PyRef module(PyModule_NewObject(name));
  GILD_CHECK(module);
  PyRef copy(PyDict_Copy(PyModule_GetDict(module.get())));
  GILD_CHECK(copy && PyDict_SetItemString(copy.get(), "__builtins__", PyImport_AddModule("builtins")) == 0);
  return copy;
}

PyRef OfSys(const char* name) {
  PyRef function(Py_XNewRef(PySys_GetObject(name)));
  GILD_CHECK(function);
  return function;
}

}  // namespace

MainModule::MainModule()
    : name_(PyUnicode_InternFromString("__main__")),
      file_(PyUnicode_InternFromString("__file__")),
      first_(FirstNamespace(name_.get())),
      recursion_limit_(Py_GetRecursionLimit()),
      stack_bytes_(PyThread_get_stacksize()),
      get_switch_interval_(OfSys("getswitchinterval")),
      set_switch_interval_(OfSys("setswitchinterval")),
      switch_interval_(PyObject_CallNoArgs(get_switch_interval_.get())),
      switch_interval_s_(PyFloat_AsDouble(switch_interval_.get())) {
  GILD_CHECK(file_ && switch_interval_ && PyErr_Occurred() == nullptr);
}

PyRef MainModule::Fresh(absl::string_view file_name, bool alone) {
  if (!RestoreSettings(alone)) return PyRef();
  const PyRef file(PyUnicode_FromStringAndSize(file_name.data(), static_cast<Py_ssize_t>(file_name.size())));
  PyRef name_space;
  if (!alone) {
    name_space = PyRef(PyDict_Copy(first_.get()));
  } else if (const PyRef module(PyModule_NewObject(name_.get())); module) {
    PyObject* const contents = PyModule_GetDict(module.get());
    if (PyDict_Update(contents, first_.get()) == 0 &&
        PyDict_SetItem(PyImport_GetModuleDict(), name_.get(), module.get()) == 0) {
      name_space = PyRef(Py_NewRef(contents));
    }
  }
  if (!file || !name_space || PyDict_SetItem(name_space.get(), file_.get(), file.get()) != 0) return PyRef();
  return name_space;
}

bool MainModule::RestoreSettings(bool alone) {
  PyGC_Enable();
  // Beside others, who may have raised a limit for themselves, only what would harm this one.
  const int limit = Py_GetRecursionLimit();
  if (limit < recursion_limit_ || (alone && limit != recursion_limit_)) Py_SetRecursionLimit(recursion_limit_);
  // Larger ones, that somebody asked for beside, cost addresses alone.
  if (const size_t stack = PyThread_get_stacksize(); stack != stack_bytes_ && (alone || stack < kUsualStackBytes)) {
    PyThread_set_stacksize(stack_bytes_);
  }
  const PyRef interval(PyObject_CallNoArgs(get_switch_interval_.get()));
  if (!interval) return false;
  const double interval_s = PyFloat_AsDouble(interval.get());
  if (interval_s > switch_interval_s_ || (alone && interval_s != switch_interval_s_)) {
    return static_cast<bool>(PyRef(PyObject_CallOneArg(set_switch_interval_.get(), switch_interval_.get())));
  }
  return true;
}

}  // namespace gild
