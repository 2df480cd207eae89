#include "server/task/snapshot.h"

#include "absl/strings/str_cat.h"

namespace gild {

std::string SlotName(LaneKind lane, int slot) { return absl::StrCat(Name(lane), "-", slot); }

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
