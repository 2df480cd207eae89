// The child's side of the sandbox: steps that a slot's init and an interpreter take, once, before any user code.
//
// Each step fails as an absl::Status that names it. Single-threaded callers only; nothing here is undone. What the
// server needs to know of it (which layers are in force) is returned as words for GetInfo.
#pragma once

#include <sys/types.h>

#include <initializer_list>
#include <string>

#include "absl/status/status.h"
#include "server/base/unique_fd.h"

namespace gild {

// Lets the next fork() make the first process of a new pid namespace, when the kernel allows it. Restores the caller's own on
// destruction, so that it can be done again. `entered()` false: not allowed here; a fork is then an ordinary one.
class NewPidNamespace {
 public:
  NewPidNamespace();
  ~NewPidNamespace();
  NewPidNamespace(const NewPidNamespace&) = delete;
  NewPidNamespace& operator=(const NewPidNamespace&) = delete;

  bool entered() const { return entered_; }

 private:
  UniqueFd own_;
  bool entered_ = false;
};

// For a slot's init: no new privileges ever, nobody may read its memory, it adopts orphans, and it ends with its parent.
absl::Status EnterSlotInit();

struct InterpreterPlace {
  std::string scratch;  // becomes the working directory
  int core = -1;        // -1: any
  int nice = 0;
};

// For an interpreter: resource limits (policy.h), place, standard descriptors on /dev/null, and no descriptor left open but
// `keep`.
absl::Status EnterInterpreter(const InterpreterPlace& place, std::initializer_list<int> keep);

// Kills and reaps every process that is left in this pid namespace but the caller, or (without one) every descendant.
void KillAllAndReap(bool own_pid_namespace);

}  // namespace gild
