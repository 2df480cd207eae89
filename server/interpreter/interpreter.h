// One interpreter's life: frames in, tasks run, frames out, until the server closes the conversation or ends the
// process.
//
// Two shapes of one loop. One thread (CPU lane): the main thread runs each task itself, so signal handlers work and a
// hand-over costs one wake-up; it is stopped by being killed. Many (I/O lane): the main thread only reads frames and
// never touches the lock, so a stop gets through while the lock is held; each task gets a worker thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "server/base/unique_fd.h"
#include "server/interpreter/inheritance.h"
#include "server/sandbox/enter.h"

namespace gild {

struct InterpreterSetup {
  UniqueFd channel;
  UniqueFd page;
  bool alone = true;              // one task at a time, on the main thread
  bool own_scratch = false;       // a file system, of a size of its own
  uint64_t tasks_max = 0;         // alone: after so many it begins no other; 0: any
  uint64_t growth_bytes_max = 0;  // likewise, with so much more memory than at its start
  InterpreterPlace place;
  InterpreterWalls walls;
  std::optional<LandlockRules> rules;  // for them, made beforehand
  UniqueFd handover;                   // where the init waits for what SealInterpreter returns
  bool meter_available = false;
  std::string name;  // "io-0", for ps
};

// The whole life of a freshly forked interpreter. REQUIRES: the lock; one thread; PyOS_AfterFork_Child has run.
[[noreturn]] void RunInterpreter(InterpreterSetup setup, std::unique_ptr<Inheritance> inheritance);

}  // namespace gild
