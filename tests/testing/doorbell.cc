#include "tests/testing/doorbell.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <stdexcept>

namespace gild::testing {

Doorbell::Doorbell() : listener_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  if (bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 || listen(listener_, 1024) != 0 ||
      getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    throw std::runtime_error("doorbell: no socket on loopback");
  }
  port_ = ntohs(address.sin_port);
}

Doorbell::~Doorbell() {
  LetIn();
  close(listener_);
}

void Doorbell::AwaitRings(int count) {
  for (int i = 0; i < count; ++i) {
    pollfd waiting = {listener_, POLLIN, 0};
    if (poll(&waiting, 1, 60'000) != 1) throw std::runtime_error("doorbell: nobody rang for a minute");
    rung_.push_back(accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC));
  }
}

void Doorbell::LetIn() {
  for (int fd : rung_) {
    send(fd, "!", 1, MSG_NOSIGNAL);
    close(fd);
  }
  rung_.clear();
}

}  // namespace gild::testing
