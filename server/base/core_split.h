// CoreSplitter: whose each core's time was: the I/O lane's, the CPU lane's, the server's own, others', nobody's (idle)
// or the hypervisor's (steal). Per core the six add up to the time that has passed.
//
// How sources of different grain are made to agree. What gild's own processes used is taken as it is (nanoseconds). Of
// the time that is left, steal and idle take what /proc/stat says, and `other` is the rest. /proc/stat counts in ticks,
// 10 ms as a rule: what it tells too early is owed to the next reading, two ticks at most (beyond, the sources
// disagree, and it gives way); what it tells too late is in `other` for good, once. So none ever goes back, and
// `other`, idle and steal are each right to two ticks, however long the time.
//
// A passive value with one owner: no clock, no I/O. Its first reading is where the counting begins.
//
//   CoreSplitter splitter({0, 1});
//   splitter.Add({.now_ns = NowNs(), .cores = core_times, .own = own_times});  // now and then
//   splitter.cores()[0].idle_ns
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "server/base/cores.h"

namespace gild {

struct CoreSplit {
  int core = 0;
  int64_t io_ns = 0;
  int64_t cpu_ns = 0;
  int64_t server_ns = 0;
  int64_t other_ns = 0;
  int64_t idle_ns = 0;
  int64_t steal_ns = 0;
};

// Processor time that gild's own processes have used, since any moment.
struct OwnTime {
  int64_t io_ns = 0;
  int64_t cpu_ns = 0;
  int64_t server_ns = 0;
};

class CoreSplitter {
 public:
  // All but `now_ns` are counters. One that goes back counts as one that stood still.
  struct Reading {
    int64_t now_ns = 0;
    std::vector<CoreTimes> cores;
    std::map<int, OwnTime> own;  // by core
    // On cores unknown: spread over them in proportion to what each was busy with nothing known.
    OwnTime anywhere;
  };

  explicit CoreSplitter(std::vector<int> cores);

  // A core that the reading lacks (it is offline) stands still until it has been read twice again.
  void Add(const Reading& reading);
  // The next reading only sets the counters' new beginning: for when they come from elsewhere now.
  void Restart();

  // Of those cores that have been read, in their order.
  std::vector<CoreSplit> cores() const;
  int64_t idle_ns() const;  // summed

 private:
  struct Core {
    int number = 0;
    CoreSplit split;
    bool seen = false;
    // Of the last reading; empty: the next one is a beginning.
    std::optional<CoreTimes> times;
    OwnTime own;
    int64_t at_ns = 0;
    // Read, and not yet attributed. The room is negative when our own used more than the time that has passed: the
    // clock and the counters are not read at one moment.
    int64_t room_ns = 0;
    int64_t idle_owed_ns = 0;
    int64_t steal_owed_ns = 0;
  };

  static void Settle(const OwnTime& own, Core* core);

  std::vector<Core> cores_;
  std::optional<OwnTime> anywhere_;  // of the last reading
};

// Lost parallelism: core-seconds in which a core idled while a task waited, for a lock or in a queue. Of each interval
// the smaller of the two counts: an upper bound, as not every task that waits could have used the core.
int64_t LostParallelismNs(int64_t idle_ns, int waiting, int64_t interval_ns);

}  // namespace gild
