#include "server/interpreter/interpreter_settings.h"

#include <utility>

#include "server/base/errors.h"

namespace gild {
namespace {

// What Linux gives a thread whose starter did not say.
constexpr size_t kUsualStackBytes = size_t{8} << 20;

PyRef Of(const char* module, const char* name) {
  const PyRef imported(PyImport_ImportModule(module));
  PyRef attribute(imported ? PyObject_GetAttrString(imported.get(), name) : nullptr);
  GILD_CHECK(attribute);
  return attribute;
}

PyRef Call(const PyRef& function) { return PyRef(PyObject_CallNoArgs(function.get())); }

// Numbers, or tuples of them: to compare them runs nobody's code. -1: an exception is set.
int IsSame(const PyRef& now, const PyRef& value) {
  return now ? PyObject_RichCompareBool(now.get(), value.get(), Py_EQ) : -1;
}

}  // namespace

InterpreterSettings::InterpreterSettings()
    : recursion_limit_(Py_GetRecursionLimit()),
      stack_bytes_(PyThread_get_stacksize()),
      listeners_(Of("gc", "callbacks")) {
  const auto kept = [](const char* module, const char* get, const char* set) {
    Setting setting{.get = Of(module, get), .value = PyRef(), .set = Of(module, set), .arguments = PyRef()};
    setting.value = Call(setting.get);
    GILD_CHECK(setting.value);
    setting.arguments = PyRef(PyTuple_Check(setting.value.get()) ? Py_NewRef(setting.value.get())
                                                                 : PyTuple_Pack(1, setting.value.get()));
    GILD_CHECK(setting.arguments);
    return setting;
  };
  switch_interval_ = kept("sys", "getswitchinterval", "setswitchinterval");
  ones_own_.push_back(kept("gc", "get_threshold", "set_threshold"));
  ones_own_.push_back(kept("gc", "get_debug", "set_debug"));
  // To trace them makes a task several times as slow. What is preloaded does not.
  Setting tracing{.get = Of("_tracemalloc", "is_tracing"),
                  .value = PyRef(Py_NewRef(Py_False)),
                  .set = Of("_tracemalloc", "stop"),
                  .arguments = PyRef(PyTuple_New(0))};
  ones_own_.push_back(std::move(tracing));
  GILD_CHECK(PyList_Check(listeners_.get()));
  first_listeners_ = PyRef(PySequence_Tuple(listeners_.get()));
  GILD_CHECK(first_listeners_);
}

bool InterpreterSettings::PutBack(bool alone) {
  PyGC_Enable();
  const int limit = Py_GetRecursionLimit();
  if (limit < recursion_limit_ || (alone && limit != recursion_limit_)) Py_SetRecursionLimit(recursion_limit_);
  // Larger ones, that somebody asked for beside, cost addresses alone.
  if (const size_t stack = PyThread_get_stacksize(); stack != stack_bytes_ && (alone || stack < kUsualStackBytes)) {
    PyThread_set_stacksize(stack_bytes_);
  }
  const PyRef interval = Call(switch_interval_.get);
  if (!interval) return false;
  const double now_s = PyFloat_AsDouble(interval.get()), first_s = PyFloat_AsDouble(switch_interval_.value.get());
  if (now_s > first_s || (alone && now_s != first_s)) {
    if (!PyRef(PyObject_Call(switch_interval_.set.get(), switch_interval_.arguments.get(), nullptr))) return false;
  }
  return !alone || (PutBackOnesOwn() && PutBackListeners());
}

bool InterpreterSettings::PutBackOnesOwn() {
  for (const Setting& setting : ones_own_) {
    const int same = IsSame(Call(setting.get), setting.value);
    if (same < 0) return false;
    if (same == 0 && !PyRef(PyObject_Call(setting.set.get(), setting.arguments.get(), nullptr))) return false;
  }
  return true;
}

bool InterpreterSettings::PutBackListeners() {
  const Py_ssize_t count = PyList_GET_SIZE(listeners_.get());
  bool same = count == PyTuple_GET_SIZE(first_listeners_.get());
  for (Py_ssize_t i = 0; same && i < count; ++i) {
    same = PyList_GET_ITEM(listeners_.get(), i) == PyTuple_GET_ITEM(first_listeners_.get(), i);
  }
  return same || PyList_SetSlice(listeners_.get(), 0, count, first_listeners_.get()) == 0;
}

}  // namespace gild
