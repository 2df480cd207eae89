// ClientCpu: the processor time that this process used, in all and by its busiest thread.
//
// Reads /proc/self/task/*/schedstat: any thread, some µs a thread. A client whose one thread fills a core measures
// itself.
//
//   const ThreadTimes before = ReadThreadTimes();
//   …
//   const ClientCpu cpu = CpuBetween(before, ReadThreadTimes());
#pragma once

#include <cstdint>
#include <map>

namespace gild::bench {

// Processor time of each living thread, in nanoseconds, by its id. Empty: unavailable.
using ThreadTimes = std::map<int, int64_t>;

struct ClientCpu {
  int64_t all_ns = 0;
  int64_t busiest_ns = 0;  // of the thread that used most
};

ThreadTimes ReadThreadTimes();
// Of the threads that live after; those that are new count in full.
ClientCpu CpuBetween(const ThreadTimes& before, const ThreadTimes& after);

}  // namespace gild::bench
