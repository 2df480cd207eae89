// KnownFunctions: which functions an interpreter has, so that each is sent to it once.
//
// The server decides what the interpreter keeps and what it forgets; the frames, in their order, carry it out. Bounded
// in number and bytes. Pure book-keeping, one thread at a time.
#pragma once

#include <cstdint>
#include <list>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "server/task/capacity.h"
#include "server/task/function.h"

namespace gild {

class KnownFunctions {
 public:
  struct Bounds {
    size_t functions = kInterpreterFunctionsMax;
    int64_t bytes = kInterpreterFunctionsBytesMax;
  };
  // What the next frame must say.
  struct Orders {
    bool send = false;                // the interpreter does not have the function yet
    std::vector<std::string> forget;  // hashes
  };

  KnownFunctions() : KnownFunctions(Bounds()) {}
  explicit KnownFunctions(Bounds bounds) : bounds_(bounds) {}

  // A task that calls it is about to be sent. It is kept even if it alone is beyond the bounds.
  Orders Use(const Function& function);

 private:
  struct Known {
    std::string sha256;
    int64_t bytes;
  };
  using Order = std::list<Known>;

  const Bounds bounds_;
  Order order_;  // the last used first
  absl::flat_hash_map<std::string, Order::iterator> places_;
  int64_t bytes_ = 0;
};

}  // namespace gild
