#include "server/interpreter/child_events.h"

#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>

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

ChildEvents::Event ChildEvents::Wait() {
  while (true) {
    pollfd watched[] = {{.fd = conversation_, .events = POLLIN}, {.fd = signals_.get(), .events = POLLIN}};
    if (poll(watched, 2, -1) < 0) {
      GILD_CHECK(errno == EINTR);
      continue;
    }
    if (watched[0].revents != 0) return Event::kFrame;
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
