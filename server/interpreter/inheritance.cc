#include "server/interpreter/inheritance.h"

#include <utility>

#include "server/base/errors.h"

namespace gild {

Inheritance::Inheritance(PyRef bootstrap_module)
    : bootstrap(std::move(bootstrap_module)),
      compiled(PyObject_GetAttrString(bootstrap.get(), "compiled")),
      replacements(PyObject_GetAttrString(bootstrap.get(), "replacements")),
      free_logging(PyObject_GetAttrString(bootstrap.get(), "free_logging")) {
  GILD_CHECK(compiled && replacements && free_logging);
}

}  // namespace gild
