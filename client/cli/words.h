// The API's enums in the words that people read: lanes, tags, states, signals.
//
// Pure functions: any thread. Values that a newer server may send, and this client does not know, read "unknown".
//
//   LaneWord(v1::IO_LANE) == "io";  SignalWord(11) == "SIGSEGV"
#pragma once

#include <string>

#include "gild/v1/monitor.pb.h"
#include "gild/v1/task.pb.h"

namespace gild::cli {

const char* LaneWord(v1::Lane lane);                       // "io", "cpu", "none"
const char* LaneTitle(v1::Lane lane);                      // "I/O", "CPU", "-"
const char* StateWord(v1::InterpreterStats::State state);  // "ready", "starting", …
std::string EndingWord(v1::Ending ending);                 // "TIMED_OUT"; "ENDING_99" where unknown
std::string VerdictWord(v1::Verdict::Kind kind);           // "LOCK_BOUND"; "VERDICT_99" where unknown
std::string SignalWord(int signal);                        // "SIGSEGV", "signal 77"
bool IsTimeLimit(const std::string& limit);                // evidence of this limit is in nanoseconds, else in bytes

}  // namespace gild::cli
