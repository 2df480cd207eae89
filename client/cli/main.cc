#include "absl/synchronization/mutex.h"
#include "client/cli/command_line.h"

int main(int argc, char** argv) {
  // Debian's abseil is built without NDEBUG: every lock, gRPC's too, is entered into a graph to find cycles.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  return gild::cli::Main(argc, argv);
}
