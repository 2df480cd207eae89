// Doorbell: signals and the server's own bell, waited for on the main thread.
//
// Made before any other thread, which inherit the mask; Ring from any thread, the rest from the main one.
//
//   Doorbell doorbell;
//   while (doorbell.signals_seen() == 0) doorbell.Await(-1);
#pragma once

#include <cstdint>

#include "server/base/unique_fd.h"

namespace gild {

class Doorbell {
 public:
  // From now on SIGTERM and SIGINT are seen here alone, and a peer that is gone is an error of the write.
  Doorbell();

  void Ring();
  // Returns when a signal came, the bell rang or the time has come (-1: never).
  void Await(int64_t until_ns);
  int signals_seen() const { return signals_seen_; }

 private:
  UniqueFd bell_;
  UniqueFd signals_;
  int signals_seen_ = 0;
};

}  // namespace gild
