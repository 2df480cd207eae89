#include "server/interpreter/lock_profile.h"

#include <algorithm>
#include <numeric>
#include <string>

#include "server/base/clock.h"
#include "server/base/errors.h"
#include "server/meter/lock_hooks.h"
#include "server/task/capacity.h"

namespace gild {
namespace {

LockProfile* current = nullptr;

int64_t HeldNs() { return CurrentThreadLedger().HeldNs(NowNs()); }

PyRef CodeOf(PyFrameObject* frame) { return PyRef(reinterpret_cast<PyObject*>(PyFrame_GetCode(frame))); }

// A method's callable is another object at each call; its definition is the same. Null: no C function.
const void* DefinitionOf(PyObject* callable) {
  return PyCFunction_Check(callable) ? reinterpret_cast<PyCFunctionObject*>(callable)->m_ml : nullptr;
}

// Empty where it is no text.
std::string TextOf(PyObject* text) {
  if (text == nullptr || !PyUnicode_Check(text)) return "";
  const PyRef bytes(PyUnicode_AsEncodedString(text, "utf-8", "backslashreplace"));
  PyErr_Clear();
  return bytes ? std::string(PyBytes_AS_STRING(bytes.get()), PyBytes_GET_SIZE(bytes.get())) : "";
}

// Between characters.
std::string Cut(std::string text) {
  size_t size = text.size();
  if (size > static_cast<size_t>(kFunctionNameBytesMax)) {
    size = kFunctionNameBytesMax;
    while (size > 0 && (text[size] & 0xC0) == 0x80) --size;
  }
  text.resize(size);
  return text;
}

PyRef AttributeOf(PyObject* object, const char* name) {
  PyRef value(PyObject_GetAttrString(object, name));
  PyErr_Clear();
  return value;
}

}  // namespace

LockProfile::LockProfile() : ledger_(HeldNs()), names_(2) {
  names_.reserve(2 + kProfiledFunctionsMax);
  GILD_CHECK(current == nullptr);
  current = this;
  PyEval_SetProfile(OnEvent, nullptr);
}

LockProfile::~LockProfile() { End(); }

void LockProfile::End() {
  if (current != this) return;
  // The task may have put its own in place of ours: then nobody saw what has been running since.
  if (PyThreadState_Get()->c_profilefunc == OnEvent) {
    ledger_.Close(HeldNs());
    PyEval_SetProfile(nullptr, nullptr);
  }
  current = nullptr;
}

int LockProfile::OnEvent(PyObject*, PyFrameObject* frame, int what, PyObject* argument) {
  if (current == nullptr) return 0;
  switch (what) {
    case PyTrace_CALL: current->OnCall(frame); break;
    case PyTrace_RETURN: current->ledger_.Return(CodeOf(frame).get(), HeldNs()); break;
    case PyTrace_C_CALL: current->OnCCall(argument); break;
    case PyTrace_C_RETURN:
    case PyTrace_C_EXCEPTION: current->ledger_.Return(DefinitionOf(argument), HeldNs()); break;
    default: break;
  }
  return 0;
}

void LockProfile::OnCall(PyFrameObject* frame) {
  PyRef code = CodeOf(frame);
  size_t place = ledger_.Find(code.get());
  if (place == FunctionLedger::kNowhere) {
    PyObject* const file = reinterpret_cast<PyCodeObject*>(code.get())->co_filename;
    if (PyUnicode_CompareWithASCIIString(file, kOwnFile) == 0) {
      place = FunctionLedger::kOutside;
      ledger_.AddAlias(code.get(), place);
    } else {
      place = ledger_.Add(code.get());
      if (place == names_.size()) names_.push_back({.code = std::move(code)});
    }
  }
  ledger_.Call(place, HeldNs());
}

void LockProfile::OnCCall(PyObject* callable) {
  const void* const definition = DefinitionOf(callable);
  size_t place = definition == nullptr ? FunctionLedger::kOther : ledger_.Find(definition);
  if (place == FunctionLedger::kNowhere) {
    place = ledger_.Add(definition);
    if (place == names_.size()) {
      names_.push_back(
          {.function = AttributeOf(callable, "__qualname__"), .module = AttributeOf(callable, "__module__")});
    }
  }
  ledger_.Call(place, HeldNs());
}

void LockProfile::Report(internal::TaskEnded* ended) const {
  const std::vector<FunctionLedger::Function>& functions = ledger_.functions();
  std::vector<size_t> places(functions.size());
  std::iota(places.begin(), places.end(), 0);
  const size_t told = std::min<size_t>(kLockProfileMax, places.size());
  std::partial_sort(places.begin(), places.begin() + told, places.end(),
                    [&](size_t a, size_t b) { return functions[a].hold_ns > functions[b].hold_ns; });
  for (size_t i = 0; i < told && functions[places[i]].hold_ns > 0; ++i) {
    internal::FunctionHold& hold = *ended->add_lock_profile();
    hold.set_hold_ns(functions[places[i]].hold_ns);
    hold.set_calls(functions[places[i]].calls);
    Describe(places[i], &hold);
  }
}

void LockProfile::Describe(size_t place, internal::FunctionHold* hold) const {
  if (place == FunctionLedger::kOutside) return hold->set_function("(gild)");
  if (place == FunctionLedger::kOther) return hold->set_function("(other)");
  const Name& name = names_[place];
  if (name.code) {
    auto* const code = reinterpret_cast<PyCodeObject*>(name.code.get());
    hold->set_function(Cut(TextOf(code->co_qualname)));
    hold->set_file(Cut(TextOf(code->co_filename)));
    hold->set_line(std::max(0, code->co_firstlineno));
    return;
  }
  const std::string module = TextOf(name.module.get());
  const std::string function = TextOf(name.function.get());
  hold->set_function(Cut(module.empty() || module == "builtins" ? function : module + "." + function));
}

}  // namespace gild
