#include "server/interpreter/known_names.h"

#include <set>
#include <string>
#include <utility>

#include "server/base/errors.h"

namespace gild {
namespace {

PyRef ContentsOf(const char* module) { return PyRef(Py_XNewRef(PyModule_GetDict(PyImport_AddModule(module)))); }

// What os.environ and os.environb are views of (Lib/os.py).
PyRef EnvironmentVariables() {
  PyObject* const environment = PyDict_GetItemString(ContentsOf("os").get(), "environ");
  GILD_CHECK(environment != nullptr);
  return PyRef(PyObject_GetAttrString(environment, "_data"));
}

auto AnyOf(std::set<std::string> names) {
  return [names = std::move(names)](const std::string& name) { return names.contains(name); };
}

}  // namespace

KnownNames::KnownNames() {
  const auto take = [this](PyRef dict, auto must_be_the_same, Kind kind = Kind::kAlways) {
    GILD_CHECK(dict && PyDict_Check(dict.get()));
    Names names{.dict = std::move(dict), .kind = kind};
    PyObject *name, *value;
    for (Py_ssize_t at = 0; PyDict_Next(names.dict.get(), &at, &name, &value);) {
      const char* const text = PyUnicode_Check(name) ? PyUnicode_AsUTF8(name) : nullptr;
      Entries& entries = must_be_the_same(std::string(text == nullptr ? "" : text)) ? names.same : names.there;
      entries.emplace_back(PyRef(Py_NewRef(name)), PyRef(Py_NewRef(value)));
    }
    names.version = VersionOf(names.dict.get());
    all_.push_back(std::move(names));
  };
  const auto every = [](const std::string&) { return true; };
  take(PyRef(Py_XNewRef(PyEval_GetBuiltins())), every);
  take(ContentsOf("gild"), every);
  take(ContentsOf("sys"), AnyOf({"stdin", "stdout", "stderr", "__stdin__", "__stdout__", "__stderr__"}));
  // What the server tells of an exception with.
  for (const char* const module : {"traceback", "linecache"}) take(ContentsOf(module), every);
  // In a thread that is started a tracer that has lost its globals raises, and the thread ends where nobody looks.
  take(ContentsOf("threading"), AnyOf({"_trace_hook", "_profile_hook"}));
  take(PyRef(Py_XNewRef(PyImport_GetModuleDict())), AnyOf({"gild"}));
  take(ContentsOf("os"), AnyOf({"environ", "environb"}), Kind::kAlone);
  take(EnvironmentVariables(), every, Kind::kAloneOnly);
  take(ContentsOf("time"), AnyOf({"tzname", "timezone", "altzone", "daylight"}), Kind::kAlone);
  PyErr_Clear();
}

void KnownNames::PutBack(bool alone) {
  // What a task put there may run code when it goes, and change all of this anew. A few times; who goes on for ever
  // could as well have left a thread.
  constexpr int kRounds = 3;
  for (int round = 0; round < kRounds; ++round) {
    std::vector<PyRef> displaced;
    PutBackOnce(alone, &displaced);
    if (displaced.empty()) break;
    displaced.clear();  // here they go
  }
  PyErr_Clear();
}

void KnownNames::PutBackOnce(bool alone, std::vector<PyRef>* displaced) {
  for (Names& names : all_) {
    if (VersionOf(names.dict.get()) == names.version || (names.kind != Kind::kAlways && !alone)) continue;
    if (names.kind == Kind::kAloneOnly) {
      displaced->push_back(PyRef(PyDict_Copy(names.dict.get())));
      PyDict_Clear(names.dict.get());
    }
    for (const auto& [name, value] : names.same) {
      PyObject* const there = PyDict_GetItemWithError(names.dict.get(), name.get());
      if (there == value.get()) continue;
      displaced->push_back(PyRef(Py_XNewRef(there)));
      PyDict_SetItem(names.dict.get(), name.get(), value.get());
    }
    // Most of what this sees is additions.
    if (PyDict_GET_SIZE(names.dict.get()) < static_cast<Py_ssize_t>(names.same.size() + names.there.size())) {
      for (const auto& [name, value] : names.there) PyDict_SetDefault(names.dict.get(), name.get(), value.get());
    }
    names.version = VersionOf(names.dict.get());
  }
}

uint64_t KnownNames::VersionOf(PyObject* dict) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
  return reinterpret_cast<PyDictObject*>(dict)->ma_version_tag;
#pragma GCC diagnostic pop
}

}  // namespace gild
