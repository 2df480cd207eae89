// Inheritance: what the zygote has made of Python for every interpreter that comes of it. It is made there, and not in
// each, since to take a reference writes to the object's page, which is then a copy of the interpreter's own: a
// megabyte of them, and a fifth of the time that an interpreter takes to begin.
#pragma once

#include "server/interpreter/known_names.h"
#include "server/interpreter/main_module.h"
#include "server/interpreter/python.h"

namespace gild {

struct Inheritance {
  // REQUIRES: what is preloaded is there.
  explicit Inheritance(PyRef bootstrap);

  const PyRef bootstrap;
  // Of it, what every task needs: to look for them took as long as to run a small one's code.
  const PyRef compiled;
  const PyRef replacements;
  const PyRef free_logging;
  MainModule main_module;
  KnownNames known_names;
};

}  // namespace gild
