// The users of the machine that slots are: nobody else's.
//
// Above what containers and systemd hand out (uids.conf of systemd: to 0x6fffffff), a range for each server.
//
//   const uint32_t first = FirstUid(LaneKind::kCpu, getpid(), PidNamespace());  // slot i is first + i
#pragma once

#include <cstdint>

#include "server/task/task.h"

namespace gild {

// Two servers of one pid namespace have ranges of their own (unless their pids are a multiple of 65,536 apart), those
// of two namespaces, where both may be process 1, nearly always.
uint32_t FirstUid(LaneKind lane, uint32_t pid, uint64_t pid_namespace);

// The inode of this process's own; 0: unknown.
uint64_t PidNamespace();

}  // namespace gild
