// Function: a pickled callable, known by its content. Opaque to the server: only interpreters unpickle.
//
// Immutable, shared by shared_ptr: a task that was accepted keeps the function it calls, whatever the store forgets.
#pragma once

#include <string>

namespace gild {

struct Function {
  std::string sha256;  // 32 bytes, of `pickled`
  std::string pickled;
};

}  // namespace gild
