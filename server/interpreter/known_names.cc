#include "server/interpreter/known_names.h"

#include "server/base/errors.h"

namespace gild {

KnownNames::KnownNames()
    : builtins_(Take(PyEval_GetBuiltins())),
      sys_(Take(PyModule_GetDict(PyImport_AddModule("sys")))),
      modules_(Take(PyImport_GetModuleDict())) {}

void KnownNames::PutBack() {
  if (VersionOf(builtins_.dict) != builtins_.version) {
    for (const auto& [name, value] : builtins_.entries) {
      if (PyDict_GetItemWithError(builtins_.dict, name.get()) != value.get()) {
        PyDict_SetItem(builtins_.dict, name.get(), value.get());
      }
    }
    builtins_.version = VersionOf(builtins_.dict);
  }
  for (Names* const names : {&sys_, &modules_}) {
    // Most of what they see is additions.
    if (PyDict_GET_SIZE(names->dict) >= static_cast<Py_ssize_t>(names->entries.size())) continue;
    for (const auto& [name, value] : names->entries) PyDict_SetDefault(names->dict, name.get(), value.get());
  }
  PyErr_Clear();
}

KnownNames::Names KnownNames::Take(PyObject* dict) {
  GILD_CHECK(dict != nullptr && PyDict_Check(dict));
  Names names{.dict = dict};
  PyObject *name, *value;
  for (Py_ssize_t at = 0; PyDict_Next(dict, &at, &name, &value);) {
    names.entries.emplace_back(PyRef(Py_NewRef(name)), PyRef(Py_NewRef(value)));
  }
  names.version = VersionOf(dict);
  return names;
}

uint64_t KnownNames::VersionOf(PyObject* dict) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
  return reinterpret_cast<PyDictObject*>(dict)->ma_version_tag;
#pragma GCC diagnostic pop
}

}  // namespace gild
