// SIGINT and SIGTERM as a descriptor, and as themselves again afterwards.
//
// Main thread only. Made before a client, so that its threads inherit the mask and none of them is the one that dies.
//
//   const Signals signals;
//   pollfd wait = {signals.fd(), POLLIN, 0};
//   if (poll(&wait, 1, -1) == 1) Stop(signals.Read());
#pragma once

#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

namespace gild::cli {

class Signals {
 public:
  Signals() {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &set, &before_);
    fd_ = signalfd(-1, &set, SFD_CLOEXEC);
  }
  Signals(const Signals&) = delete;
  ~Signals() {
    close(fd_);
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  int fd() const { return fd_; }
  // Which one came.
  int Read() const {
    signalfd_siginfo info = {};
    return read(fd_, &info, sizeof info) == sizeof info ? static_cast<int>(info.ssi_signo) : SIGINT;
  }

 private:
  sigset_t before_;
  int fd_;
};

}  // namespace gild::cli
