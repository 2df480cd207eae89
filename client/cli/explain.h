// What to tell a person: an ending other than SUCCEEDED, or a server's failure, as one line and a hint.
//
// Pure functions: any thread. The line is safe for a terminal: one line, no control characters, whatever the task
// wrote.
//
//   const Explanation why = Explain(outcome);
//   if (!why.cause.empty()) terminal.Error(why.cause, why.hint);
#pragma once

#include <string>

#include "absl/strings/string_view.h"
#include "client/cpp/server_error.h"
#include "gild/v1/task.pb.h"

namespace gild::cli {

inline constexpr char kDefaultServer[] = "127.0.0.1:50051";

struct Explanation {
  std::string cause;  // without the leading "gild: "
  std::string hint;   // empty where there is nothing to do
};

// Empty for SUCCEEDED and EXITED, and for RAISED, where the traceback says it all (but for a missing entry).
Explanation Explain(const v1::Outcome& outcome, const std::string& entry);
// `address` is the server that was asked.
Explanation Explain(const ServerError& error, const std::string& address);

// Bytes as one harmless line: bad UTF-8 and control characters replaced, 400 characters at most.
std::string OneLine(absl::string_view bytes);

}  // namespace gild::cli
