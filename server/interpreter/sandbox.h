// Sandbox: what the zygote finds out once of the walls around its slots and interpreters, which are forked with it.
#pragma once

#include <map>
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
  // Those that were prepared and can be made.
  std::map<Profile, SyscallFilter> filters;

  // REQUIRES: Python has been started; the lock.
  static Sandbox Make(std::vector<Layer> switched_off);

  // Takes milliseconds, so not in an interpreter.
  void PrepareFilter(const Profile& profile);
  InterpreterWalls WallsFor(const Profile& profile, const std::string& scratch) const;
};

internal::Isolation ToFrame(const Isolation& isolation);

}  // namespace gild
