// An Outcome as one line of JSON: what `gild run --json` prints, and a stable interface.
//
// A pure function: any thread. Durations are exact strings ("1.5s"), bytes and counts are numbers, and what the server
// could not see is the string "unavailable", never zero. The task's own JSON is spliced in untouched; should it not be
// JSON (the child that made it runs foreign code), it comes as the string `result_text`, so that it cannot forge the
// rest. Of collected files it says path and size; what is in them is on the disk (--into).
//
//   puts(OutcomeJson(outcome).c_str());
#pragma once

#include <string>

#include "client/cpp/server_error.h"
#include "gild/v1/task.pb.h"

namespace gild::cli {

std::string OutcomeJson(const v1::Outcome& outcome);

// For a task without an outcome: {"ending":null,"failure":{…}}.
std::string FailureJson(const ServerError& error, const std::string& cause);

}  // namespace gild::cli
