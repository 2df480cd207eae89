// Verdict: what kind of work a task was, from its own figures: where it would be served best.
//
// Waiting for the lock, or for one's turn on the event loop, is the neighbours' doing, so the shares are of the rest of
// its run: holding the lock (Python bytecode, and C code that keeps it), busy off the lock (C code that lets it go:
// NumPy, Pillow), and neither (waiting for the world). A kind needs more than half.
#pragma once

#include <optional>

#include "server/task/outcome.h"

namespace gild {

struct Verdict {
  enum class Kind { kLockBound, kNative, kIoBound, kMixed };
  Kind kind = Kind::kMixed;
  // They sum to 1. `native` is a lower bound: processor time beyond `hold`, and a hold may be idle.
  double holding = 0;
  double native = 0;
  double waiting = 0;
};

// Empty: a figure that it rests on is unavailable, or the task did not run.
std::optional<Verdict> VerdictOf(const Usage& usage, const std::optional<LockUsage>& lock);

}  // namespace gild
