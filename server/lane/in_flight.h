// A task that an interpreter has, from its hand-over to its end. Its handle owns them, under the handle's mutex.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "server/base/poller.h"
#include "server/base/unique_fd.h"
#include "server/lane/endings.h"
#include "server/task/task.h"

namespace gild {

struct InFlight {
  std::shared_ptr<const Task> task;
  uint32_t row = 0;  // in its interpreter's page
  int64_t sent_ns = 0;
  bool ahead = false;        // another was before it when it was handed over
  bool handed_over = false;  // its StartTask is written: a StopTask may follow
  bool on_loop = false;
  int64_t wall_over_ns = 0;  // when its wall limit passes
  StopReason stop = StopReason::kNone;
  bool overdue = false;  // stopped, and has not ended soon
  std::string warning;   // for its outcome
  UniqueFd file;         // that it went in, where it is large; emptied when its end is told
  Poller::TimerId overdue_timer = 0;
  Poller::TimerId grace_timer = 0;
};
using InFlights = std::map<uint64_t, InFlight>;  // by serial

}  // namespace gild
