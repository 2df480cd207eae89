// InterpreterHandle is the server's view of one interpreter, from its start to its end: one generation of a slot. It
// hands tasks over, stops them, and makes an outcome of every ending: one for each task that Run took, whatever
// happens.
//
// Thread rule: Run, Close, ForgetSessions and the read-only calls from any thread; the rest, and all events, on the
// poller's thread, with no lock held. It owns the page and the server's end of the channel, and lives in a shared_ptr:
// a Run may still be under way when its lane has let go of it. It kills nothing itself: it says on_doomed, and whoever
// can (the lane) kills and then calls Finish.
//
//   starting --InterpreterReady--> ready --Doom or end of file--> doomed --Finish--> finished
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "gild/internal/frames.pb.h"
#include "server/base/poller.h"
#include "server/base/unique_fd.h"
#include "server/ipc/channel.h"
#include "server/ipc/page_file.h"
#include "server/lane/endings.h"
#include "server/lane/in_flight.h"
#include "server/lane/known_functions.h"
#include "server/lane/outcomes.h"
#include "server/lane/reading_pace.h"
#include "server/task/snapshot.h"

namespace gild {

class InterpreterHandle : public std::enable_shared_from_this<InterpreterHandle> {
 public:
  struct Config {
    std::string name;    // "cpu-0#3"
    int threads = 1;     // tasks in flight, but for those on its event loop
    int loop_tasks = 0;  // on its event loop
    int ahead = 0;       // tasks that lie ready while it is at another; alone only
    int64_t ahead_patience_ns = kAheadPatienceNs;
    bool alone =
        true;       // the CPU lane's kind, which REQUIRES threads == 1: a task that overruns dies with its interpreter
    int core = -1;  // -1: not pinned
    int64_t stop_grace_ns = kStopGraceNs;
    int64_t begin_limit_ns = kBeginLimitNs;               // a task that nobody has claimed by then is stuck
    std::function<int64_t(int pid)> cpu_ns_of = CpuNsOf;  // of it, and of what its tasks start
    // How many processes and threads its slot was refused so far, of how many that it may have; empty: nobody counts.
    std::function<uint64_t()> pids_refused = nullptr;
    int64_t pids_allowed = 0;
    bool starts_processes = false;  // its tasks may
    // Has its slot's groups keep a task's limits (Limits::OfSlot) until `widen`; an error is why they do not. Any
    // thread. Empty: it has none.
    std::function<absl::Status(const Limits& limits)> narrow = nullptr;
    std::function<void()> widen = nullptr;
    int64_t tasks_max = 0;  // after so many it is spent; 0: any
  };
  // That it has used so far, in all its threads; 0: it is gone.
  static int64_t CpuNsOf(int pid);

  struct Events {
    std::function<void()> on_ready;
    // It takes no new tasks for now (a stopped task is overdue), and takes them again.
    std::function<void(bool available)> on_available;
    std::function<void(uint64_t serial)> on_task_on_loop;  // it occupies no thread any more
    std::function<void(std::vector<EndedTask> tasks)> on_tasks_ended;
    // They were handed over ahead of their turn, have not begun, and are taken back.
    std::function<void(std::vector<uint64_t> serials)> on_tasks_returned;
    std::function<void(size_t count)> on_sessions_gone;  // so many of those that ForgetSessions named
    // It must be killed, then Finish called. Once.
    std::function<void()> on_doomed;
    // Its channel is at its end, and on_doomed was not called: it is dying, most likely. Once.
    std::function<void()> on_silent;
  };

  // What the interpreter gets.
  struct ChildEnds {
    UniqueFd channel;
    UniqueFd page;
  };

  // Begins to listen.
  static absl::StatusOr<std::shared_ptr<InterpreterHandle>> Create(Poller* poller, Config config, Events events,
                                                                   ChildEnds* child_ends);

  // False: it is not ready, or has no room. REQUIRES: the serial is new.
  bool Run(const std::shared_ptr<const Task>& task) ABSL_LOCKS_EXCLUDED(mutex_);

  // From now on it takes no task; Doom is to follow. False: it takes none anyway.
  bool Close() ABSL_LOCKS_EXCLUDED(mutex_);

  // Orders it to let go of sessions whose tasks have all ended; on_sessions_gone follows, at its end at the latest.
  // False: it is at its end. REQUIRES: each once.
  bool ForgetSessions(const std::vector<uint64_t>& sessions) ABSL_LOCKS_EXCLUDED(functions_mutex_, mutex_);

  // Stops a task. False: no such task.
  bool Stop(uint64_t serial, StopReason reason) ABSL_LOCKS_EXCLUDED(mutex_);

  // Looks whether it does what it should, as the child's word does not say: to be called every now and then.
  void Inspect() ABSL_LOCKS_EXCLUDED(mutex_);

  // Nothing new is taken; on_doomed follows at once. The first reason is the one to keep.
  void Doom(Retirement retirement, std::string detail = "", uint64_t culprit = 0) ABSL_LOCKS_EXCLUDED(mutex_);

  struct Epitaph {
    const char* cause = "";         // a restart cause
    bool healthy = false;           // worth a successor at once
    std::optional<LockUsage> lock;  // empty: unavailable
    std::string what;               // for the log
  };
  // It is dead (`end`: how; empty: unknown): hears its last words and ends every task in flight. Nothing follows.
  Epitaph Finish(const std::optional<InterpreterEnd>& end) ABSL_LOCKS_EXCLUDED(mutex_);

  // What a task has printed after that point; empty for one that is not in flight, or has not begun.
  Glimpse Peek(uint64_t serial, OutputPoint after) const ABSL_LOCKS_EXCLUDED(mutex_);

  // A task handed over now would run: it is ready, available, and nobody waits for a lock that is held for ever.
  bool Serving(int64_t now_ns) const ABSL_LOCKS_EXCLUDED(mutex_);
  int pid() const ABSL_LOCKS_EXCLUDED(mutex_);  // 0: not known yet
  // Fills in pid, running, lock, waiters and holder.
  void FillSnapshot(int64_t now_ns, SlotSnapshot* snapshot) const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  enum class State { kStarting, kReady, kDoomed, kFinished };

  InterpreterHandle(Poller* poller, Config config, Events events, std::unique_ptr<PageFile> page);

  void OnFrame(absl::string_view payload);
  void OnReady() ABSL_LOCKS_EXCLUDED(mutex_);
  void OnFailed(std::string why) ABSL_LOCKS_EXCLUDED(mutex_);
  void OnTasksOnLoop(const internal::TasksOnLoop& on_loop) ABSL_LOCKS_EXCLUDED(mutex_);
  void OnSessionsForgotten(const internal::SessionsForgotten& forgotten) ABSL_LOCKS_EXCLUDED(mutex_);
  void OnTaskEnded(internal::TaskEnded* ended) ABSL_LOCKS_EXCLUDED(mutex_);
  void ReportEnded() ABSL_LOCKS_EXCLUDED(mutex_);
  void OnChannelClosed(absl::Status reason) ABSL_LOCKS_EXCLUDED(mutex_);
  // Some task's wall limit may have passed: stops those whose has.
  void OnWallTimer() ABSL_LOCKS_EXCLUDED(mutex_);
  void SetWallTimer(int64_t when_ns) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void OnOverdue(uint64_t serial) ABSL_LOCKS_EXCLUDED(mutex_);
  void OnGracePassed(uint64_t serial) ABSL_LOCKS_EXCLUDED(mutex_);
  void SendStop(uint64_t serial);
  // The turn of what lies ready should have come by now: takes back what still does.
  void OnPatienceOver() ABSL_LOCKS_EXCLUDED(mutex_);
  void SetPatienceTimer(int64_t when_ns) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The task, which is not in flight any more. Empty: it has begun, or was first in line when it was handed over.
  std::optional<InFlight> TakeBack(InFlights::iterator task) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // All that can be.
  std::vector<InFlight> TakeBackAll() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Return(absl::Span<const InFlight> tasks) ABSL_LOCKS_EXCLUDED(mutex_);
  // Not begun for so long, although nothing is before it: it is taken back. Empty: there is none.
  std::optional<InFlight> TakeStuck(int64_t now_ns) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Processes and threads that were refused since the last time that it was asked, as far as the task had to do with
  // it.
  uint64_t PidsRefused(const internal::TaskEnded& ended);
  Poller::TimerId After(int64_t when_ns, void (InterpreterHandle::*then)(uint64_t), uint64_t serial);
  void CancelTimers(const InFlight& in_flight);

  // Before the task is sent.
  void Narrow(const Task& task) ABSL_LOCKS_EXCLUDED(mutex_);
  // The file that it went in, where it is large.
  UniqueFd SendStart(const Task& task, uint32_t row) ABSL_LOCKS_EXCLUDED(functions_mutex_);
  bool alone() const { return config_.alone; }
  // It runs one task, so whatever that leaves behind is nobody's.
  bool once() const { return config_.tasks_max == 1; }
  RanIn ran_in() const {
    return {
        .name = config_.name, .page = *page_, .alone = alone(), .replaced = alone() && !once(), .core = config_.core};
  }

  Poller* const poller_;
  const Config config_;
  const Events events_;
  const std::unique_ptr<PageFile> page_;
  std::shared_ptr<Channel> channel_;  // set by Create, for good

  // Poller's thread only.
  std::vector<EndedTask> ended_;  // of the frames that are being read
  ReadingPace pace_;
  uint64_t pids_refused_ = 0;  // when it was asked last

  // At the last inspection; the poller's thread only.
  struct Inspected {
    int64_t at_ns = 0;    // 0: never
    int64_t cpu_ns = 0;   // of its process
    uint64_t serial = 0;  // of the task that ran; 0: none
    uint64_t completed = 0;
    int64_t task_cpu_ns = 0;  // that this task has used since it was first seen
  };
  Inspected inspected_;

  // Held from the decision what to send until it is sent: a task must not overtake its function.
  absl::Mutex functions_mutex_;
  // By session, each of which has its own copies; 0: of the tasks without one.
  std::map<uint64_t, KnownFunctions> functions_ ABSL_GUARDED_BY(functions_mutex_);

  mutable absl::Mutex mutex_;
  State state_ ABSL_GUARDED_BY(mutex_) = State::kStarting;
  std::vector<uint32_t> free_rows_ ABSL_GUARDED_BY(mutex_);
  InFlights in_flight_ ABSL_GUARDED_BY(mutex_);
  std::set<uint64_t> leaving_sessions_ ABSL_GUARDED_BY(mutex_);  // it was ordered to forget, and has not yet
  int on_loop_ ABSL_GUARDED_BY(mutex_) = 0;
  // One for all tasks, and none the later for one that ends: a small task is over long before its limit.
  Poller::TimerId wall_timer_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t wall_timer_ns_ ABSL_GUARDED_BY(mutex_) = INT64_MAX;  // when it is due: when a limit passes, or soon after
  Poller::TimerId patience_timer_ ABSL_GUARDED_BY(mutex_) = 0;
  int overdue_ ABSL_GUARDED_BY(mutex_) = 0;
  int pid_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t ready_ns_ ABSL_GUARDED_BY(mutex_) = 0;    // 0: it never was
  int64_t silent_ns_ ABSL_GUARDED_BY(mutex_) = 0;   // end of file; 0: not yet
  uint64_t completed_ ABSL_GUARDED_BY(mutex_) = 0;  // tasks, by its own word
  std::optional<Retirement> retirement_ ABSL_GUARDED_BY(mutex_);
  std::string detail_ ABSL_GUARDED_BY(mutex_);
  uint64_t culprit_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace gild
