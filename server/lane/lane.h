// Lane: a fixed number of slots, each with an interpreter in it, kept alive. One class, two configurations: I/O (few
// interpreters, many tasks in flight in each, a task that overruns is interrupted and then its interpreter replaced)
// and CPU (one interpreter per core, one task at a time, killed when it overruns).
//
// It makes the outcomes of tasks whose code did not end by itself: TIMED_OUT, CANCELLED, CPU_LIMIT, CRASHED, EXITED by
// _exit, INTERPRETER_LOST, PROTOCOL_ERROR. It trusts nothing a child sends.
//
// Thread rule: Run, Replace, Cancel, ForgetSessions, Peek, Snapshot and Serving from any thread; all the rest happens
// on the poller's thread. Events are called with no lock held, from the poller's thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "server/base/poller.h"
#include "server/lane/interpreter_handle.h"
#include "server/lane/lone_core.h"
#include "server/process/is_dead.h"
#include "server/process/slot_groups.h"
#include "server/process/slot_process.h"
#include "server/task/glimpse.h"
#include "server/task/outcome.h"
#include "server/task/slot_kind.h"
#include "server/task/snapshot.h"
#include "server/task/task.h"

namespace gild {

class Lane {
 public:
  struct Config {
    LaneKind kind = LaneKind::kCpu;
    int slots = 1;         // seats: each has one for tasks that ask for nothing, and
    bool network = false;  // they keep the machine's
    // for those that ask for more, beside it on its core. The scheduler lets one slot of a seat run tasks at a time.
    struct Extra {
      SlotKind kind;
      int seats = 0;     // that have them, the first
      int per_seat = 1;  // the stock, where one is of use once
    };
    std::vector<Extra> extra;
    int threads = 1;         // tasks in flight in one interpreter, but for
    int loop_tasks = 0;      // those on its event loop
    int ahead = 0;           // and those that lie ready while it is at another task; CPU lane only
    std::vector<int> cores;  // a slot is pinned to cores[its seat % size]; empty: not pinned
    int nice = 0;
    uint32_t uid_first = 0;    // slot i is uid_first + i on the machine; 0: who the server is
    std::string scratch_root;  // an existing folder; slot i works in <scratch_root>/<slot name>
    std::string group;         // control group of the lane's processes, a folder; empty: the server's
    // Where it makes one of each slot's own; outlives the lane. Null: nowhere.
    const SlotGroups* groups = nullptr;
    LoneCore* lone_core = nullptr;  // likewise; null: threads go where the kernel wants them
    SlotLimits limits;              // of each slot
    // A slot with less stays down, and is tried again.
    IsolationLevel required = IsolationLevel::kNone;
    int64_t tasks_per_interpreter = 0;  // CPU lane; 0: any
    int64_t start_limit_ns = kStartLimitNs;
    int64_t stop_grace_ns = kStopGraceNs;
    int64_t ahead_patience_ns = kAheadPatienceNs;
    int64_t back_off_ns_first = kBackOffNsFirst;
    int64_t back_off_ns_max = kBackOffNsMax;
    // How often interpreters are looked at, and what processor time one has used.
    int64_t inspect_ns = kInspectNs;
    int64_t begin_limit_ns = kBeginLimitNs;
    std::function<int64_t(int pid)> cpu_ns_of = InterpreterHandle::CpuNsOf;
    // An interpreter whose channel is at its end is dying; after this it is killed, unless it is dead, and nobody has
    // said so yet.
    int64_t silence_ns = 500 * kNsPerMs;
    std::function<bool(int pid)> is_dead = IsDead;
    // A killed interpreter that is not reported dead in this time costs its slot.
    int64_t kill_limit_ns = 2 * kNsPerSecond;
  };

  struct Events {
    std::function<void(int slot)> ready;
    std::function<void(int slot)> gone;
    std::function<void(uint64_t serial)> on_loop;  // the task occupies no thread any more
    std::function<void(std::vector<EndedTask> tasks)> ended;
    // Handed over ahead of their turn, which did not come: they have not begun, and are the caller's again.
    std::function<void(std::vector<uint64_t> serials)> returned;
    std::function<void(size_t count)> sessions_gone;  // so many of those that ForgetSessions named
  };

  // `slots` (the zygote) and `poller` outlive the lane. The poller's thread has ended before the lane is destroyed.
  Lane(Config config, Poller* poller, SlotFactory* slots, Events events);
  ~Lane();
  Lane(const Lane&) = delete;
  Lane& operator=(const Lane&) = delete;

  // Asks for the slots; `ready` follows for each.
  void Start();

  // What a slot is, which never changes. Any thread.
  int slots() const { return static_cast<int>(slots_.size()); }
  SlotKind kind(int slot) const { return slots_[slot].kind; }
  int seat(int slot) const { return slots_[slot].seat; }

  // False: the slot has no ready interpreter with room. REQUIRES: the task's serial is new.
  bool Run(int slot, const std::shared_ptr<const Task>& task) ABSL_LOCKS_EXCLUDED(mutex_);
  // Another principal's tasks are next in the slot: its interpreter is replaced, and takes none once this has returned.
  // Nothing happens where a new one is on its way already. REQUIRES: no task is in flight there.
  void Replace(int slot) ABSL_LOCKS_EXCLUDED(mutex_);
  // False: the slot has no interpreter, and so none of the sessions. `sessions_gone` follows for each otherwise.
  bool ForgetSessions(int slot, const std::vector<uint64_t>& sessions) ABSL_LOCKS_EXCLUDED(mutex_);
  // Ends as CANCELLED.
  void Cancel(uint64_t serial);
  // What a task in that slot has printed after that point; empty: it is not there, or has not begun.
  Glimpse Peek(int slot, uint64_t serial, OutputPoint after) const ABSL_LOCKS_EXCLUDED(mutex_);

  // The end of a drain: kills every interpreter, ends what runs as INTERPRETER_LOST, starts no new ones.
  void Shutdown();

  // Can run a task now that starts no processes: some interpreter is ready and its lock has not been held for
  // kProbeLimitNs without a break. In the I/O lane such a hold counts when somebody has waited for it as long: a lone
  // thread lets go only when asked.
  bool Serving(int64_t now_ns) const ABSL_LOCKS_EXCLUDED(mutex_);
  std::vector<SlotSnapshot> Snapshot(int64_t now_ns) const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  enum class Phase {
    kIdle,      // before Start, after Shutdown
    kMaking,    // the slot's init was asked for
    kStarting,  // the interpreter was
    kReady,
    kEnding,      // the interpreter is dying, or to be killed
    kBackingOff,  // a pause before the next try
  };

  // The poller's thread only.
  struct Slot {
    // These never change.
    std::string name;
    SlotKind kind;
    int seat = 0;
    int core = -1;

    std::unique_ptr<SlotGroup> group;  // made with the first of its processes
    uint64_t oom_kills = 0;            // in it, when they were forgotten last
    std::unique_ptr<SlotProcess> process;
    int64_t back_off_ns = 0;
    int64_t ended_ns = 0;       // when the last one's end was heard of; 0: it has a successor
    int memory_looks = 0;       // in vain, whether its group has room again
    Poller::TimerId timer = 0;  // of the phase it is in
  };

  // Written on the poller's thread, read from anywhere.
  struct Shared {
    Phase phase = Phase::kIdle;
    uint64_t generation = 0;
    std::shared_ptr<InterpreterHandle> interpreter;  // null: none
    std::map<std::string, uint64_t> restarts;
    std::map<std::string, uint64_t> denied;
    std::optional<int64_t> replaced_in_ns;
    // Of interpreters that are gone; empty: the meter never saw anything.
    std::optional<LockUsage> past_lock;
    // Totals never go back, even when a figure was torn.
    std::optional<LockUsage> told_lock;
  };

  // The steps of a slot's life, in their order. All on the poller's thread.
  void MakeSlot(int slot);
  std::map<Layer, OwnGroup> GroupsOf(int slot);
  void OnSlotReady(int slot);
  void StartInterpreter(int slot) ABSL_LOCKS_EXCLUDED(mutex_);
  void OnInterpreterReady(int slot);
  void OnAvailable(int slot, bool available);
  void OnTasksEnded(int slot, std::vector<EndedTask> tasks);
  void OnTasksReturned(std::vector<uint64_t> serials);
  void OnDoomed(int slot);
  void OnSilent(int slot);
  void OnInterpreterStarted(int slot, uint64_t generation, int error_number);
  void OnInterpreterEnded(int slot, const InterpreterEnd& end);
  void OnDenied(int slot, const std::map<std::string, uint64_t>& calls) ABSL_LOCKS_EXCLUDED(mutex_);
  // Since they were forgotten last: when its interpreter was started, and, where one task runs at a time, after each
  // that may start processes.
  uint64_t OomKills(int slot) const;
  void ForgetOomKills(int slot);
  void OnSlotGone(int slot, const absl::Status& reason);
  // The slot's init does not do what it should: it is let go of, as if it had gone.
  void LoseSlot(int slot, const std::string& why);

  // No new tasks for this interpreter; it is on its way out.
  void BeginEnding(int slot);
  void InspectAll();
  // So many that were in flight are not any more.
  void HearOf(int64_t tasks);
  // It is dead: ends what it ran, counts the restart, and goes on to the next.
  void Finish(int slot, const std::optional<InterpreterEnd>& end) ABSL_LOCKS_EXCLUDED(mutex_);
  void Next(int slot, bool at_once);
  // Another slot begins when nobody is left of the last.
  void GoOn(int slot);
  void CountRestart(int slot, const std::string& cause) ABSL_LOCKS_EXCLUDED(mutex_);

  void SetPhase(int slot, Phase phase) ABSL_LOCKS_EXCLUDED(mutex_);
  Phase PhaseOf(int slot) const ABSL_LOCKS_EXCLUDED(mutex_);
  uint64_t GenerationOf(int slot) const ABSL_LOCKS_EXCLUDED(mutex_);
  std::shared_ptr<InterpreterHandle> InterpreterOf(int slot) const ABSL_LOCKS_EXCLUDED(mutex_);
  // One timer a slot: setting it drops the last.
  void SetTimer(int slot, int64_t after_ns, std::function<void()> callback);
  void DropTimer(int slot);

  // Its interpreters have one task at a time.
  bool alone() const { return config_.kind == LaneKind::kCpu; }
  void AddSlot(SlotKind kind, int seat, const std::string& suffix);
  // Of the slot's interpreters; 0: any. One that many share is not spent while they do.
  int64_t TasksMax(int slot) const {
    if (!alone()) return 0;
    return kind(slot).fresh ? 1 : config_.tasks_per_interpreter;
  }

  const Config config_;
  Poller* const poller_;
  SlotFactory* const factory_;
  const Events events_;

  // Poller's thread only.
  std::vector<Slot> slots_;
  bool shut_down_ = false;

  mutable absl::Mutex mutex_;
  mutable std::vector<Shared> shared_ ABSL_GUARDED_BY(mutex_);  // by slot
};

}  // namespace gild
