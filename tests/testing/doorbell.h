// Doorbell: how a test knows that a task has come to a point of its code, and holds it there, without sleeping.
//
// A socket on loopback. The task connects (`socket.create_connection(("127.0.0.1", port))`) and then waits in
// recv(1) until the test lets it in; see tests/testcases/waits.py.
// One thread. The test owns it; its end lets everybody in.
#pragma once

#include <vector>

namespace gild::testing {

class Doorbell {
 public:
  Doorbell();
  ~Doorbell();
  Doorbell(const Doorbell&) = delete;
  Doorbell& operator=(const Doorbell&) = delete;

  int port() const { return port_; }

  // Waits until so many more have rung. Throws std::runtime_error after a minute.
  void AwaitRings(int count);
  // Lets in all who have rung.
  void LetIn();

 private:
  int listener_;
  int port_;
  std::vector<int> rung_;
};

}  // namespace gild::testing
