// Load: tasks sent at a server, closed loop or open, and what came of them.
//
// Closed loop: so many tasks outstanding; each outcome makes room for the next. Open loop: tasks are due at planned
// moments (schedule.h) whatever the server does, and their latency counts from there, so that a server that stalls
// cannot hide what it kept waiting. An open loop is bounded, too: while `outstanding` tasks are under way the next one
// waits, is late and is counted as late; those still waiting at the end are counted as unsent.
//
// A Load starts when it is made. It owns its connections and a thread, `gild-bench`, that plans, waits and ends it;
// methods may be called from any thread. A warm-up is a load like the measured one, whose figures are thrown away; all
// of its tasks have ended when the measured time begins.
//
//   LoadOptions options;
//   options.tasks = {task};
//   Load load(std::move(options));
//   const Figures figures = load.Take();
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "client/bench/clock.h"
#include "client/bench/figures.h"
#include "client/bench/plan.h"
#include "client/bench/schedule.h"
#include "client/bench/sender.h"
#include "client/bench/tally.h"

namespace gild::bench {

// Most tasks of one load: each leaves a sample of 16 bytes. Full: no more is sent, and Figures::full says so.
inline constexpr uint64_t kTasksMax = uint64_t{1} << 24;

struct LoadOptions {
  std::string address;
  std::vector<v1::Task> tasks;  // sent in turn, again and again; one at least
  Mode mode = Mode::kUnary;
  size_t connections = 1;
  size_t batch = 1;            // tasks a message, for kBatched
  size_t outstanding = 64;     // of all connections; `batch` for each of them at least
  std::optional<double> rate;  // tasks a second: an open loop
  Spacing spacing = Spacing::kPoisson;
  uint64_t seed = 1;
  int64_t warm_up_ns = kNsPerSecond;  // 0: none
  // So long, or so many tasks: then the measured time ends with the last reply.
  int64_t length_ns = 10 * kNsPerSecond;
  std::optional<uint64_t> task_count;  // 1 to kTasksMax
};

class Load {
 public:
  explicit Load(LoadOptions options);
  Load(const Load&) = delete;
  Load& operator=(const Load&) = delete;
  // Stops it, and waits.
  ~Load();

  // Ends the measured time now and cancels what is under way.
  void Stop();

  // Readable once the load is over.
  int over_fd() const { return over_fd_; }

  struct Progress {
    bool warming_up;
    uint64_t sent;       // of the phase
    int64_t elapsed_ns;  // of the phase
  };
  Progress progress() const;

  // Waits for the end. Once.
  Figures Take();

 private:
  // One connection. Its callbacks come one at a time, and own `tally` and `room`; the driver has both while nothing is
  // under way.
  struct Outlet {
    Load* load;
    Tally tally;
    size_t room = 0;  // closed loop: tasks that may be sent; less than a unit
    absl::Mutex mutex;
    bool sending ABSL_GUARDED_BY(mutex) = false;
    std::unique_ptr<Sender> sender;  // last: its callbacks use all of the above
  };

  void Drive();
  // The one phase or the other; fills in *figures when it is given.
  void RunPhase(int64_t length_ns, uint64_t tasks_max, Figures* figures);
  void SendClosed();
  void SendOpen(Plan* plan, int64_t length_ns);
  // The next unit, unless all has been sent.
  void SendNext(Outlet* outlet) ABSL_LOCKS_EXCLUDED(outlet->mutex);
  void Send(Outlet* outlet, uint64_t first_index, const std::vector<int64_t>& planned_ns)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(outlet->mutex);
  void Answered(Outlet* outlet, int64_t planned_ns, const absl::StatusOr<const v1::Outcome*>& outcome);
  void SetSending(bool sending);
  void Fail(const absl::Status& status) ABSL_LOCKS_EXCLUDED(failure_mutex_);
  int64_t Elapsed() const { return NowNs() - begin_ns_; }

  // The driver sleeps until so few are under way, until a moment of the phase, or until the load is stopped; true in
  // the first case. Level -1 never comes.
  bool AwaitUnderWay(int64_t level, int64_t until_ns);
  void Wake();

  const LoadOptions options_;
  const size_t unit_;  // tasks that are sent together
  const int wake_fd_;
  const int over_fd_;

  // Between the driver and the callbacks, instead of a lock. A callback that counts under_way_ down to wake_level_ or
  // beneath writes to wake_fd_. The driver sets its level first and then reads under_way_, so that one of the two sees
  // the other. A callback sends the next task before it counts its own down, so 0 means: nothing will follow.
  std::atomic<int64_t> under_way_ = 0;
  std::atomic<int64_t> wake_level_ = -1;
  std::atomic<bool> stopping_ = false;

  // Of the phase.
  std::atomic<bool> warming_up_ = false;
  std::atomic<int64_t> begin_ns_ = NowNs();
  std::atomic<uint64_t> sent_ = 0;
  std::atomic<uint64_t> unsendable_ = 0;  // sent_, but the connection took no more
  uint64_t tasks_max_ = 0;

  absl::Mutex failure_mutex_;
  absl::Status failure_ ABSL_GUARDED_BY(failure_mutex_);

  Figures figures_;  // the driver's; of Take once it has ended
  std::vector<std::unique_ptr<Outlet>> outlets_;
  std::thread driver_;  // last: it uses all of the above
};

}  // namespace gild::bench
