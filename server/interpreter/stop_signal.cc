#include "server/interpreter/stop_signal.h"

#include <signal.h>

#include <atomic>
#include <utility>

#include "server/base/errors.h"
#include "server/meter/interposed.h"

namespace gild {
namespace {

std::atomic<bool> installed{false};
thread_local bool mask_set_here = false;

}  // namespace

// Nobody uses it; and it is not queued, so that no task can leave it without a place (RLIMIT_SIGPENDING).
int StopSignal() { return SIGSTKFLT; }

void InstallStopSignal() {
  struct sigaction action {};
  action.sa_handler = [](int) {};
  sigemptyset(&action.sa_mask);
  action.sa_flags = SA_ONSTACK;  // and no SA_RESTART: interrupting is its purpose
  GILD_CHECK(sigaction(StopSignal(), &action, nullptr) == 0);
  installed = true;
}

bool IsStopSignal(int signal) { return signal == StopSignal() && installed; }

bool MaskWasSetHere() { return std::exchange(mask_set_here, false); }

}  // namespace gild

// A stop gets through, whatever a task blocks.
extern "C" __attribute__((visibility("default"))) int pthread_sigmask(int how, const sigset_t* set,
                                                                      sigset_t* before) noexcept {
  static auto* const real = gild::Real<int(int, const sigset_t*, sigset_t*)>("pthread_sigmask");
  if (set != nullptr) gild::mask_set_here = true;
  if (set == nullptr || how == SIG_UNBLOCK || !gild::IsStopSignal(gild::StopSignal())) return real(how, set, before);
  sigset_t blocked = *set;
  sigdelset(&blocked, gild::StopSignal());
  return real(how, &blocked, before);
}
