#include "client/cli/words.h"

#include <string.h>

#include "absl/strings/str_cat.h"

namespace gild::cli {

const char* LaneWord(v1::Lane lane) {
  switch (lane) {
    case v1::NO_LANE: return "none";
    case v1::IO_LANE: return "io";
    case v1::CPU_LANE: return "cpu";
    case v1::Lane_INT_MIN_SENTINEL_DO_NOT_USE_:
    case v1::Lane_INT_MAX_SENTINEL_DO_NOT_USE_: break;
  }
  return "unknown";
}

const char* LaneTitle(v1::Lane lane) {
  switch (lane) {
    case v1::NO_LANE: return "-";
    case v1::IO_LANE: return "I/O";
    case v1::CPU_LANE: return "CPU";
    case v1::Lane_INT_MIN_SENTINEL_DO_NOT_USE_:
    case v1::Lane_INT_MAX_SENTINEL_DO_NOT_USE_: break;
  }
  return "unknown";
}

const char* StateWord(v1::InterpreterStats::State state) {
  switch (state) {
    case v1::InterpreterStats::STARTING: return "starting";
    case v1::InterpreterStats::READY: return "ready";
    case v1::InterpreterStats::STOPPING: return "stopping";
    case v1::InterpreterStats::BACKING_OFF: return "backing off";
    case v1::InterpreterStats::STATE_UNSPECIFIED:
    case v1::InterpreterStats_State_InterpreterStats_State_INT_MIN_SENTINEL_DO_NOT_USE_:
    case v1::InterpreterStats_State_InterpreterStats_State_INT_MAX_SENTINEL_DO_NOT_USE_: break;
  }
  return "unknown";
}

std::string EndingWord(v1::Ending ending) {
  return v1::Ending_IsValid(ending) ? v1::Ending_Name(ending) : absl::StrCat("ENDING_", static_cast<int>(ending));
}

std::string VerdictWord(v1::Verdict::Kind kind) {
  return v1::Verdict::Kind_IsValid(kind) ? v1::Verdict::Kind_Name(kind)
                                         : absl::StrCat("VERDICT_", static_cast<int>(kind));
}

std::string SignalWord(int signal) {
  const char* name = sigabbrev_np(signal);
  return name == nullptr ? absl::StrCat("signal ", signal) : absl::StrCat("SIG", name);
}

bool IsTimeLimit(const std::string& limit) { return limit == "wall" || limit == "cpu" || limit == "queue"; }

}  // namespace gild::cli
