#include "server/interpreter/child_events.h"

#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <iterator>

#include "server/base/errors.h"

namespace gild {
namespace {

sigset_t OnlySigchld() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGCHLD);
  return set;
}

}  // namespace

ChildEvents::ChildEvents(int conversation) : conversation_(conversation) {
  const sigset_t set = OnlySigchld();
  GILD_CHECK(sigprocmask(SIG_BLOCK, &set, nullptr) == 0);
  signals_.reset(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  GILD_CHECK(signals_.valid());
}

ChildEvents::Event ChildEvents::Wait(int watched, int timeout_ms) {
  while (true) {
    // A negative one is ignored (poll(2)).
    pollfd sources[] = {{.fd = conversation_, .events = POLLIN},
                        {.fd = signals_.get(), .events = POLLIN},
                        {.fd = watched, .events = POLLIN}};
    const int ready = poll(sources, std::size(sources), timeout_ms);
    if (ready < 0) {
      GILD_CHECK(errno == EINTR);
      continue;
    }
    if (ready == 0) return Event::kTimeout;
    if (sources[0].revents != 0) return Event::kFrame;
    if (sources[1].revents == 0) return Event::kWatched;
    signalfd_siginfo info;
    while (read(signals_.get(), &info, sizeof info) > 0) {
    }
    return Event::kChildEnded;
  }
}

void ChildEvents::Unblock() {
  const sigset_t set = OnlySigchld();
  GILD_CHECK(sigprocmask(SIG_UNBLOCK, &set, nullptr) == 0);
}

}  // namespace gild
