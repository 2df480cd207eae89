#include "server/task/outcome.h"

namespace gild {

const char* Name(Ending ending) {
  switch (ending) {
    case Ending::kSucceeded: return "SUCCEEDED";
    case Ending::kRaised: return "RAISED";
    case Ending::kExited: return "EXITED";
    case Ending::kCrashed: return "CRASHED";
    case Ending::kTimedOut: return "TIMED_OUT";
    case Ending::kCpuLimit: return "CPU_LIMIT";
    case Ending::kMemoryLimit: return "MEMORY_LIMIT";
    case Ending::kOutputLimit: return "OUTPUT_LIMIT";
    case Ending::kResultLimit: return "RESULT_LIMIT";
    case Ending::kCancelled: return "CANCELLED";
    case Ending::kExpired: return "EXPIRED";
    case Ending::kInterpreterLost: return "INTERPRETER_LOST";
    case Ending::kProtocolError: return "PROTOCOL_ERROR";
    case Ending::kProcessLimit: return "PROCESS_LIMIT";
    case Ending::kScratchLimit: return "SCRATCH_LIMIT";
  }
  return "?";
}

}  // namespace gild
