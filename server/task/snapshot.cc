#include "server/task/snapshot.h"

namespace gild {

const char* Name(InterpreterState state) {
  switch (state) {
    case InterpreterState::kStarting: return "starting";
    case InterpreterState::kReady: return "ready";
    case InterpreterState::kStopping: return "stopping";
    case InterpreterState::kBackingOff: return "backing_off";
  }
  return "?";
}

}  // namespace gild
