#include "server/interpreter/sandbox.h"

#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "server/interpreter/python.h"

namespace gild {
namespace {

std::string AttributeOfSys(const char* name) {
  PyObject* const value = PySys_GetObject(name);  // borrowed
  const char* const text = value != nullptr && PyUnicode_Check(value) ? PyUnicode_AsUTF8(value) : nullptr;
  PyErr_Clear();
  return text != nullptr ? text : "";
}

std::vector<std::string> PathsOfPython() {
  std::vector<std::string> paths;
  if (PyObject* const sys_path = PySys_GetObject("path"); sys_path != nullptr && PyList_Check(sys_path)) {
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(sys_path); ++i) {
      PyObject* const entry = PyList_GET_ITEM(sys_path, i);
      const char* const text = PyUnicode_Check(entry) ? PyUnicode_AsUTF8(entry) : nullptr;
      if (text != nullptr) paths.push_back(text);
    }
  }
  // Its own shared libraries, and the program.
  for (const char* const prefix : {"base_prefix", "prefix"}) {
    for (const char* const folder : {"/bin", "/lib"}) paths.push_back(AttributeOfSys(prefix) + folder);
  }
  PyErr_Clear();
  return paths;
}

bool Covers(const std::string& folder, const std::string& path) {
  return path == folder || absl::StartsWith(path, absl::StrCat(folder, "/"));
}

// Absolute, there, and none beneath another. Nor one that would show a task far more than Python.
std::vector<std::string> Sifted(std::vector<std::string> paths) {
  std::sort(paths.begin(), paths.end());  // a folder before what lies in it
  std::vector<std::string> sifted;
  for (std::string& path : paths) {
    const bool outermost = path.find('/', 1) == std::string::npos;
    if (!absl::StartsWith(path, "/") || outermost || access(path.c_str(), R_OK) != 0) continue;
    if (!sifted.empty() && Covers(sifted.back(), path)) continue;
    sifted.push_back(std::move(path));
  }
  return sifted;
}

}  // namespace

Sandbox Sandbox::Make(std::vector<Layer> switched_off) {
  Sandbox sandbox;
  sandbox.seen = Sifted(PathsOfPython());
  sandbox.switched_off = std::move(switched_off);
  sandbox.filters.Prepare({});
  InterpreterWalls walls = sandbox.WallsFor({}, "/tmp");
  walls.without = sandbox.switched_off;
  sandbox.interpreters = ProbeInterpreterLayers(walls);
  return sandbox;
}

InterpreterWalls Sandbox::WallsFor(const Profile& profile, const std::string& scratch) const {
  InterpreterWalls walls{.profile = profile, .seen = seen, .scratch = scratch, .filter = &filters.Of(profile)};
  for (const MissingLayer& missing : interpreters.missing) walls.without.push_back(missing.layer);
  return walls;
}

internal::Isolation ToFrame(const Isolation& isolation) {
  internal::Isolation frame;
  for (const Layer layer : isolation.in_force) frame.add_in_force(Name(layer));
  for (const MissingLayer& missing : isolation.missing) {
    internal::MissingLayer& added = *frame.add_missing();
    added.set_layer(Name(missing.layer));
    added.set_why(missing.why);
  }
  return frame;
}

}  // namespace gild
