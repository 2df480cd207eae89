// A slot's init: the first process of the slot's pid namespace (where the kernel allows one). It makes an interpreter
// by a plain fork of its own warm self, reaps it (true status and rusage, reported up), clears what the interpreter
// left behind, and waits for the next order. It runs no user code, ever, and holds no secret.
//
// Single-threaded; holds the lock all its life. Ends when the server closes the conversation, and the namespace with
// it.
#pragma once

#include <memory>

#include "gild/internal/frames.pb.h"
#include "server/base/unique_fd.h"
#include "server/interpreter/inheritance.h"
#include "server/interpreter/sandbox.h"

namespace gild {

struct SlotSetup {
  internal::MakeSlot slot;
  bool own_pid_namespace = false;
  bool meter_available = false;
  const Sandbox* sandbox = nullptr;  // outlives the init
};

Profile ProfileOf(const internal::MakeSlot& slot);

// The whole life of a freshly forked init. REQUIRES: as RunInterpreter.
[[noreturn]] void RunSlotInit(SlotSetup setup, UniqueFd conversation, std::unique_ptr<Inheritance> inheritance);

}  // namespace gild
