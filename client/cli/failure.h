// Why a command gives up: what to tell the user, and the exit code.
//
//   Failure failure;
//   if (!Prepare(&failure)) return Tell(failure, terminal);
#pragma once

#include <string>

#include "absl/status/status.h"
#include "client/cli/explain.h"
#include "client/cli/terminal.h"

namespace gild::cli {

struct Failure {
  Explanation why;
  int exit_code = 1;
};

// A refusal, or a failure of gild's. `address` is the server that was asked.
Failure FailureOf(const absl::Status& status, const std::string& address);

// On stderr; returns the exit code.
int Tell(const Failure& failure, const Terminal& terminal);

// A report on stdout; returns the exit code: not 0 when it cannot be written, which is told.
int Print(const std::string& report, const Terminal& terminal);

}  // namespace gild::cli
