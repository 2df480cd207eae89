#include "server/main/doorbell.h"

#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>

#include "server/base/clock.h"
#include "server/base/errors.h"

namespace gild {

Doorbell::Doorbell() : bell_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  signal(SIGPIPE, SIG_IGN);
  sigset_t stop;
  sigemptyset(&stop);
  sigaddset(&stop, SIGTERM);
  sigaddset(&stop, SIGINT);
  GILD_CHECK(pthread_sigmask(SIG_BLOCK, &stop, nullptr) == 0);
  signals_ = UniqueFd(signalfd(-1, &stop, SFD_CLOEXEC | SFD_NONBLOCK));
  GILD_CHECK(bell_.valid() && signals_.valid());
}

void Doorbell::Ring() {
  const uint64_t one = 1;
  (void)!write(bell_.get(), &one, sizeof one);
}

void Doorbell::Await(int64_t until_ns) {
  pollfd watched[] = {{.fd = signals_.get(), .events = POLLIN, .revents = 0},
                      {.fd = bell_.get(), .events = POLLIN, .revents = 0}};
  const int64_t left_ns = std::max<int64_t>(0, until_ns - NowNs());
  const timespec left = {.tv_sec = left_ns / kNsPerSecond, .tv_nsec = left_ns % kNsPerSecond};
  if (ppoll(watched, 2, until_ns < 0 ? nullptr : &left, nullptr) <= 0) return;
  uint64_t rings;
  (void)!read(bell_.get(), &rings, sizeof rings);
  signalfd_siginfo info;
  while (read(signals_.get(), &info, sizeof info) == sizeof info) ++signals_seen_;
}

}  // namespace gild
