// Sandbox: what the zygote finds out once of the walls around its slots and interpreters, which are forked with it.
#pragma once

#include <string>
#include <vector>

#include "gild/internal/frames.pb.h"
#include "server/sandbox/enter.h"

namespace gild {

struct Sandbox {
  // Of the machine's files, beside the policy's: where this Python looks for its modules.
  std::vector<std::string> seen;
  std::vector<Layer> switched_off;
  // Of an interpreter. What is missing here is not tried again: what is in force must be, or the interpreter is not.
  Isolation interpreters;
  SyscallFilters filters;

  // REQUIRES: Python has been started; the lock.
  static Sandbox Make(std::vector<Layer> switched_off);

  // REQUIRES: filters.Prepare(profile), which takes milliseconds, so not in an interpreter.
  InterpreterWalls WallsFor(const Profile& profile, const std::string& scratch) const;
};

internal::Isolation ToFrame(const Isolation& isolation);

}  // namespace gild
