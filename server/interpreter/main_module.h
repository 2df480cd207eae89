// MainModule: the `__main__` that a task begins with, and the interpreter's settings as they were before the first.
//
// With the lock only. In C++, since it is half of what the smallest task costs when it is written in Python.
#pragma once

#include "absl/strings/string_view.h"
#include "server/interpreter/interpreter_settings.h"
#include "server/interpreter/python.h"

namespace gild {

class MainModule {
 public:
  MainModule();

  // The namespace of a fresh one; null: an exception is set. `alone`: one task at a time, so it is sys.modules' own as
  // well, and pickling finds what the task defines.
  PyRef Fresh(absl::string_view file_name, bool alone);

 private:
  const PyRef name_;   // "__main__"
  const PyRef file_;   // "__file__"
  const PyRef first_;  // a namespace with nothing in it but what each has
  InterpreterSettings settings_;
};

}  // namespace gild
