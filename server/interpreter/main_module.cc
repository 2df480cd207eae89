#include "server/interpreter/main_module.h"

#include "server/base/errors.h"

namespace gild {
namespace {

PyRef FirstNamespace(PyObject* name) {
  const PyRef module(PyModule_NewObject(name));
  GILD_CHECK(module);
  PyRef copy(PyDict_Copy(PyModule_GetDict(module.get())));
  GILD_CHECK(copy && PyDict_SetItemString(copy.get(), "__builtins__", PyImport_AddModule("builtins")) == 0);
  return copy;
}

}  // namespace

MainModule::MainModule()
    : name_(PyUnicode_InternFromString("__main__")),
      file_(PyUnicode_InternFromString("__file__")),
      first_(FirstNamespace(name_.get())) {
  GILD_CHECK(file_ && PyErr_Occurred() == nullptr);
}

PyRef MainModule::Fresh(absl::string_view file_name, bool alone) {
  if (!settings_.PutBack(alone)) return PyRef();
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

}  // namespace gild
