// Scheduler decides which task runs next, and in which slot; it admits, queues, expires and refuses.
//
// Of the tasks that some slot has room for, the one that was accepted first is next. A task of a session whose globals
// lie in a slot waits for that slot, in a queue of its own, and nobody waits behind it.
//
// A slot is its principal's, from the first task on: nobody else's runs there. Who waits and has fewer slots than a
// fair share (those of the kind divided by the principals that have tasks for it, but one at least) claims another's:
// one of a principal that has more than that or has no tasks, or any, when he has none himself; the one that was idle
// for the longest. Where all of these are busy, what was accepted after the claim does not start in the one that will
// be it. Its interpreter is replaced before it changes hands. An interpreter that runs one task is nobody's.
//
// Passive: one mutex, no thread, no clock, no I/O. Time comes in as an argument; what must be done outside (hand a task
// to a lane, tell a client) is collected under the lock and done after it, on the caller's thread.
//
// It makes the outcomes of tasks that never started: CANCELLED, EXPIRED, and INTERPRETER_LOST at the end of a drain's
// grace. All others come up from the lanes through Ended. Every accepted task's `done` is called exactly once, with no
// lock held.
//
// Wiring (main): the lanes' events call SlotReady, SlotGone, Ended and SessionsGone; the lane ports below reach down.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/btree_set.h"
#include "absl/synchronization/mutex.h"
#include "server/scheduler/sessions.h"
#include "server/scheduler/slots.h"
#include "server/task/glimpse.h"
#include "server/task/outcome.h"
#include "server/task/snapshot.h"
#include "server/task/task.h"

namespace gild {

struct Refusal {
  enum class Reason { kQueueFull, kQueueBytesFull, kSessionsFull, kRepliesUnread, kDraining };
  Reason reason;
  int64_t retry_after_ns;
};
const char* Name(Refusal::Reason reason);  // "queue_full", as in metrics

class Scheduler {
 public:
  using Done = std::function<void(const Task& task, Outcome&& outcome)>;

  // How a lane is reached. All are called with no lock held.
  struct LanePort {
    // Hands the task to the slot's interpreter. False: the slot is not ready (any more), and the task stays queued.
    std::function<bool(int slot, const std::shared_ptr<const Task>& task)> run;
    // Stops a running task as CANCELLED; nothing happens when it has ended already.
    std::function<void(uint64_t serial)> cancel;
    // What a task in the slot has printed after that point; empty: it is not there (any more), or has not begun.
    std::function<Glimpse(int slot, uint64_t serial, OutputPoint after)> peek;
    // Has the slot's interpreter let go of sessions, whose tasks have all ended; SessionsGone follows. False: it has
    // none of them (any more). The I/O lane only.
    std::function<bool(int slot, const std::vector<uint64_t>& sessions)> forget = {};
    // Has the slot's interpreter replaced: once it has returned, that one takes no task any more. SlotReady follows.
    std::function<void(int slot)> replace = {};
  };

  struct Bounds {
    int64_t queued_tasks = kQueuedTasksMax;
    // What a lane's accepted tasks hold until they are over, queued or in flight: an interpreter with many threads may
    // have many large ones. A task that has the lane to itself is not bound.
    int64_t held_bytes = kQueuedBytesMax;
    Sessions::Bounds sessions = {};
  };

  // `io` and `cpu` are called from any thread that calls in here.
  Scheduler(LanePort io, LanePort cpu, Bounds bounds);

  // Accepts the task (its serial is returned and `done` will be called) or refuses it. May start it, here and now.
  std::variant<uint64_t, Refusal> Submit(Task&& task, Done done, int64_t now_ns);
  // A waiting task ends as CANCELLED, a running one is stopped; nothing happens when it has ended.
  void Cancel(uint64_t serial, int64_t now_ns);
  // As Cancel, but one that has been given to its lane goes on.
  void Withdraw(uint64_t serial, int64_t now_ns);
  // The client's own deadline passed: as Cancel, but a waiting task ends as EXPIRED.
  void DeadlinePassed(uint64_t serial, int64_t now_ns);

  // The serial of a task that waits or runs. Looks through all of them: for what is asked seldom.
  std::optional<uint64_t> Find(const std::string& task_id) const;
  // What it has printed after that point; empty: it has not begun, or has ended.
  Glimpse Peek(uint64_t serial, OutputPoint after) const ABSL_LOCKS_EXCLUDED(mutex_);

  // Those of the tasks that wait are not started before Resume; they still expire, and count as queued.
  void Pause(const std::vector<uint64_t>& serials, int64_t now_ns);
  void Resume(const std::vector<uint64_t>& serials, int64_t now_ns);

  // Ends what waited longer than its limits.queue, and forgets sessions that were idle for too long. Call now and then.
  void Expire(int64_t now_ns);

  using Capacity = Slots::Capacity;

  // From the lanes.
  void SlotReady(LaneKind lane, int slot, Capacity capacity, int64_t now_ns);
  // The task has left its thread for the event loop.
  void OnLoop(uint64_t serial, int64_t now_ns);
  void SlotGone(LaneKind lane, int slot);
  void Ended(std::vector<EndedTask> ended, int64_t now_ns);
  // They lay ready for too long and have not begun: they wait again.
  void Returned(const std::vector<uint64_t>& serials, int64_t now_ns);
  // So many of the sessions that a port's `forget` took are gone.
  void SessionsGone(size_t count);

  // From now on Submit refuses; what is accepted goes on.
  void Drain();
  bool draining() const;
  // Nothing waits and nothing runs.
  bool Idle() const;
  // The end of a drain's grace: ends what waits as INTERPRETER_LOST, safe to retry. What runs is for the lanes to end.
  void EndWaiting(int64_t now_ns);

  // queued, queued_bytes, running and endings of both lanes; the rest is for the caller to fill in.
  std::vector<LaneSnapshot> Lanes() const;
  SessionsSnapshot SessionsNow(int64_t now_ns) const;

 private:
  // What a client asked of a task while its hand-over was under way.
  enum class Stop { kNo, kCancel, kDeadline };

  struct Entry {
    std::shared_ptr<const Task> task;
    Done done;
    Principal* principal = nullptr;        // lives as long as the entry
    Sessions::Session* session = nullptr;  // lives as long as the entry; null: none
    int64_t bytes = 0;
    int64_t accepted_ns = 0;
    int64_t expires_ns = 0;
    // In a slot, from placement on; `handing_over` until the lane's run has returned, for it and all of its round.
    bool placed = false;
    bool paused = false;
    bool handing_over = false;
    bool returned = false;  // while it was being handed over
    bool on_loop = false;
    Stop stop = Stop::kNo;
    int slot = -1;
    int64_t placed_ns = 0;
  };

  struct LaneState {
    Principals principals;
    int64_t queued = 0;  // in a principal's queue, in a slot's, or paused
    int64_t queued_bytes = 0;
    int64_t held_bytes = 0;  // and of what is in flight
    int running = 0;
    Slots slots;
    std::map<Ending, uint64_t> endings;
    double run_ns_average = 0;  // exponentially weighted
  };

  // What is to be done once the lock is let go.
  struct HandOver {
    std::shared_ptr<const Task> task;
    int slot;
    uint64_t readies;
    bool taken = false;
  };
  struct Finish {
    std::shared_ptr<const Task> task;
    Done done;
    Outcome outcome;
  };
  struct Actions {
    std::vector<HandOver> hand_overs;
    std::vector<std::pair<LaneKind, uint64_t>> cancels;
    std::map<int, std::vector<uint64_t>> forgets;  // sessions, by slot
    std::vector<std::pair<LaneKind, int>> replacements;
    std::vector<Finish> finishes;
  };

  LaneState& State(LaneKind lane) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return lane == LaneKind::kIo ? io_ : cpu_; }
  const LanePort& Port(LaneKind lane) const { return lane == LaneKind::kIo ? io_port_ : cpu_port_; }
  void ChangeHands(LaneKind lane, Slots::Iterator slot, Principal* to, Actions* actions)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  static void DropIfGone(LaneState& state, const Principal* principal);
  static int64_t RetryAfterNs(const LaneState& state);
  // Where an entry is to wait that is not paused.
  absl::btree_set<uint64_t>& QueueOf(const Entry& entry) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void LeaveQueue(const Entry& entry) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The oldest waiting task that may start now, and where; end() when there is none. Claims slots for those before it.
  std::pair<uint64_t, Slots::Iterator> NextToStart(LaneKind lane, Actions* actions)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Whether a new task starts without having to wait. `session`: null, or its own.
  static bool StartsAtOnce(LaneState& state, const Task& task, const Principal* principal,
                           const Sessions::Session* session);
  void Forget(const Sessions::Forgotten& forgotten, Actions* actions) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  void EndPlaced(EndedTask&& ended, int64_t now_ns, Actions* actions) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Place(LaneKind lane, int64_t now_ns, Actions* actions) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // What follows from a hand-over. True: the lane refused the task, or gave it back meanwhile, and it is to be placed
  // again unless it ended.
  bool Placed(const HandOver& hand_over, int64_t now_ns, Actions* actions) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void StopTask(uint64_t serial, Stop stop, int64_t now_ns) ABSL_LOCKS_EXCLUDED(mutex_);
  // One that has not been placed.
  void StopWaiting(Entry& entry, Stop stop, int64_t now_ns, Actions* actions) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Enqueue(Entry& entry) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Dequeue(Entry& entry) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Ends a task that is neither queued nor placed any more.
  void FinishEntry(uint64_t serial, Outcome&& outcome, int64_t now_ns, Actions* actions)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // It is in no slot any more, and has not begun.
  void Unplace(Entry& entry, int64_t now_ns, Actions* actions) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // An outcome of the scheduler's own making, for a task that never started.
  void EndUnstarted(uint64_t serial, Ending ending, Evidence evidence, int64_t now_ns, Actions* actions)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void EndStopped(uint64_t serial, Stop stop, int64_t now_ns, Actions* actions) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Does them, and what follows from them.
  void Act(Actions actions, int64_t now_ns) ABSL_LOCKS_EXCLUDED(mutex_);

  const LanePort io_port_;
  const LanePort cpu_port_;
  const Bounds bounds_;

  mutable absl::Mutex mutex_;
  bool draining_ ABSL_GUARDED_BY(mutex_) = false;
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;  // EndWaiting was called: nothing waits any more
  uint64_t last_serial_ ABSL_GUARDED_BY(mutex_) = 0;
  std::unordered_map<uint64_t, Entry> entries_ ABSL_GUARDED_BY(mutex_);
  absl::btree_set<std::pair<int64_t, uint64_t>> expiries_ ABSL_GUARDED_BY(mutex_);  // of waiting tasks: when, serial
  LaneState io_ ABSL_GUARDED_BY(mutex_);
  LaneState cpu_ ABSL_GUARDED_BY(mutex_);
  Sessions sessions_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace gild
