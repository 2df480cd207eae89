// Outcomes: what is told of a task that has ended: usage, lock and output, from the page, and the ending (endings.h).
//
// Any thread; no clock, no lock. The child's figures are clamped to what is possible.
#pragma once

#include <cstdint>
#include <string>

#include "gild/internal/frames.pb.h"
#include "server/ipc/page_file.h"
#include "server/lane/endings.h"
#include "server/lane/in_flight.h"
#include "server/task/outcome.h"

namespace gild {

// Where it ran.
struct RanIn {
  const std::string& name;  // "cpu-0#3"
  const PageFile& page;
  bool alone = false;     // it ran one task at a time
  bool replaced = false;  // it is not kept after what a task leaves behind
  int core = -1;          // that it was pinned to; -1: none
};

// Of a task that ended by itself. REQUIRES: ProblemOf is empty.
Outcome ReportedOutcome(const RanIn& ran_in, const InFlight& in_flight, internal::TaskEnded* ended, int64_t now_ns);
// Of one that ended with its interpreter.
Outcome KilledOutcome(const RanIn& ran_in, const InFlight& in_flight, const InterpreterDeath& death);

}  // namespace gild
