#include "server/interpreter/known_names.h"

#include <string>

#include "server/base/errors.h"

namespace gild {
namespace {

PyObject* ContentsOf(const char* module) { return PyModule_GetDict(PyImport_AddModule(module)); }

}  // namespace

KnownNames::KnownNames() {
  const auto take = [this](PyObject* dict, auto must_be_the_same) {
    GILD_CHECK(dict != nullptr && PyDict_Check(dict));
    Names names{.dict = dict};
    PyObject *name, *value;
    for (Py_ssize_t at = 0; PyDict_Next(dict, &at, &name, &value);) {
      const char* const text = PyUnicode_Check(name) ? PyUnicode_AsUTF8(name) : nullptr;
      Entries& entries = must_be_the_same(std::string(text == nullptr ? "" : text)) ? names.same : names.there;
      entries.emplace_back(PyRef(Py_NewRef(name)), PyRef(Py_NewRef(value)));
    }
    names.version = VersionOf(dict);
    all_.push_back(std::move(names));
  };
  const auto every = [](const std::string&) { return true; };
  take(PyEval_GetBuiltins(), every);
  take(ContentsOf("gild"), every);
  take(ContentsOf("sys"), [](const std::string& name) {
    return name == "stdout" || name == "stderr" || name == "__stdout__" || name == "__stderr__";
  });
  // What the server tells of an exception with.
  for (const char* const module : {"traceback", "linecache"}) take(ContentsOf(module), every);
  // In a thread that is started a tracer that has lost its globals raises, and the thread ends where nobody looks.
  take(ContentsOf("threading"),
       [](const std::string& name) { return name == "_trace_hook" || name == "_profile_hook"; });
  take(PyImport_GetModuleDict(), [](const std::string& name) { return name == "gild"; });
  PyErr_Clear();
}

void KnownNames::PutBack() {
  // What a task put there may run code when it goes, and change all of this anew. A few times; who goes on for ever
  // could as well have left a thread.
  constexpr int kRounds = 3;
  for (int round = 0; round < kRounds; ++round) {
    std::vector<PyRef> displaced;
    PutBackOnce(&displaced);
    if (displaced.empty()) break;
    displaced.clear();  // here they go
  }
  PyErr_Clear();
}

void KnownNames::PutBackOnce(std::vector<PyRef>* displaced) {
  for (Names& names : all_) {
    if (VersionOf(names.dict) == names.version) continue;
    for (const auto& [name, value] : names.same) {
      PyObject* const there = PyDict_GetItemWithError(names.dict, name.get());
      if (there == value.get()) continue;
      displaced->push_back(PyRef(Py_XNewRef(there)));
      PyDict_SetItem(names.dict, name.get(), value.get());
    }
    // Most of what this sees is additions.
    if (PyDict_GET_SIZE(names.dict) < static_cast<Py_ssize_t>(names.same.size() + names.there.size())) {
      for (const auto& [name, value] : names.there) PyDict_SetDefault(names.dict, name.get(), value.get());
    }
    names.version = VersionOf(names.dict);
  }
}

uint64_t KnownNames::VersionOf(PyObject* dict) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
  return reinterpret_cast<PyDictObject*>(dict)->ma_version_tag;
#pragma GCC diagnostic pop
}

}  // namespace gild
