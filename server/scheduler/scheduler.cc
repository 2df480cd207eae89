#include "server/scheduler/scheduler.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "server/ipc/channel.h"

namespace gild {
namespace {

constexpr int64_t kRetryAfterNsMin = 50 * kNsPerMs;
constexpr int64_t kRetryAfterNsMax = 5 * kNsPerSecond;
// Weight of the newest task in the average run time: about the last twenty count.
constexpr double kAverageWeight = 0.1;
// A drained server is back, or another has taken over, after about so long.
constexpr int64_t kDrainingRetryNs = 1 * kNsPerSecond;

}  // namespace

const char* Name(Refusal::Reason reason) {
  switch (reason) {
    case Refusal::Reason::kQueueFull: return "queue_full";
    case Refusal::Reason::kQueueBytesFull: return "queue_bytes_full";
    case Refusal::Reason::kRepliesUnread: return "replies_unread";
    case Refusal::Reason::kDraining: return "draining";
  }
  return "?";
}

Scheduler::Scheduler(LanePort io, LanePort cpu, Bounds bounds)
    : io_port_(std::move(io)), cpu_port_(std::move(cpu)), bounds_(bounds) {}

std::variant<uint64_t, Refusal> Scheduler::Submit(Task task, Done done, int64_t now_ns) {
  Actions actions;
  uint64_t serial = 0;
  {
    absl::MutexLock lock(&mutex_);
    const LaneKind lane = task.lane;
    LaneState& state = State(lane);
    if (draining_) return Refusal{Refusal::Reason::kDraining, kDrainingRetryNs};
    const int64_t bytes = task.Bytes();
    // What can start at once does not wait, so the bounds of the queue say nothing about it.
    if (!state.waiting.empty() || FreeSlot(state) == state.slots.end()) {
      if (Queued(state) >= bounds_.queued_tasks) {
        return Refusal{Refusal::Reason::kQueueFull, RetryAfterNs(state)};
      }
      if (state.waiting_bytes + bytes > bounds_.queued_bytes) {
        return Refusal{Refusal::Reason::kQueueBytesFull, RetryAfterNs(state)};
      }
    }
    serial = ++last_serial_;
    task.serial = serial;
    Entry& entry = entries_[serial];
    entry.bytes = bytes;
    entry.accepted_ns = now_ns;
    entry.expires_ns = now_ns + task.limits.queue_ns;
    entry.done = std::move(done);
    entry.task = std::make_shared<const Task>(std::move(task));
    Enqueue(entry);
    Place(lane, now_ns, &actions);
  }
  Act(std::move(actions), now_ns);
  return serial;
}

void Scheduler::Cancel(uint64_t serial, int64_t now_ns) { StopTask(serial, Stop::kCancel, now_ns); }

void Scheduler::DeadlinePassed(uint64_t serial, int64_t now_ns) { StopTask(serial, Stop::kDeadline, now_ns); }

void Scheduler::StopTask(uint64_t serial, Stop stop, int64_t now_ns) {
  Actions actions;
  {
    absl::MutexLock lock(&mutex_);
    auto found = entries_.find(serial);
    if (found == entries_.end()) return;
    Entry& entry = found->second;
    if (!entry.placed) {
      Dequeue(entry);
      EndStopped(serial, stop, now_ns, &actions);
    } else if (entry.handing_over) {
      // The lane may not know the task yet, and would not remember a cancel: Placed sees to it.
      if (entry.stop == Stop::kNo) entry.stop = stop;
    } else {
      actions.cancels.emplace_back(entry.task->lane, serial);
    }
  }
  Act(std::move(actions), now_ns);
}

std::optional<uint64_t> Scheduler::Find(const std::string& task_id) const {
  absl::MutexLock lock(&mutex_);
  for (const auto& [serial, entry] : entries_) {
    if (entry.task->id == task_id) return serial;
  }
  return std::nullopt;
}

Glimpse Scheduler::Peek(uint64_t serial, OutputPoint after) const {
  LaneKind lane;
  int slot;
  {
    absl::MutexLock lock(&mutex_);
    auto found = entries_.find(serial);
    if (found == entries_.end() || !found->second.placed) return {};
    lane = found->second.task->lane;
    slot = found->second.slot;
  }
  return Port(lane).peek(slot, serial, after);
}

void Scheduler::Pause(const std::vector<uint64_t>& serials) {
  absl::MutexLock lock(&mutex_);
  for (const uint64_t serial : serials) {
    auto found = entries_.find(serial);
    if (found == entries_.end() || found->second.placed || std::exchange(found->second.paused, true)) continue;
    LaneState& state = State(found->second.task->lane);
    state.waiting.erase(serial);
    ++state.paused;
  }
}

void Scheduler::Resume(const std::vector<uint64_t>& serials, int64_t now_ns) {
  Actions actions;
  {
    absl::MutexLock lock(&mutex_);
    for (const uint64_t serial : serials) {
      auto found = entries_.find(serial);
      if (found == entries_.end() || !std::exchange(found->second.paused, false)) continue;
      LaneState& state = State(found->second.task->lane);
      state.waiting.insert(serial);
      --state.paused;
    }
    for (const LaneKind lane : {LaneKind::kIo, LaneKind::kCpu}) Place(lane, now_ns, &actions);
  }
  Act(std::move(actions), now_ns);
}

void Scheduler::Expire(int64_t now_ns) {
  Actions actions;
  {
    absl::MutexLock lock(&mutex_);
    while (!expiries_.empty() && expiries_.begin()->first <= now_ns) {
      const uint64_t serial = expiries_.begin()->second;
      Entry& entry = entries_.at(serial);
      Dequeue(entry);
      EndUnstarted(serial, Ending::kExpired,
                   {.detail = "it waited in the queue for as long as its limit allows",
                    .limit = "queue",
                    .allowed = entry.task->limits.queue_ns,
                    .used = now_ns - entry.accepted_ns},
                   now_ns, &actions);
    }
  }
  Act(std::move(actions), now_ns);
}

void Scheduler::SlotReady(LaneKind lane, int slot, Capacity capacity, int64_t now_ns) {
  Actions actions;
  {
    absl::MutexLock lock(&mutex_);
    Slot& ready = State(lane).slots[slot];
    ready.capacity = capacity;
    ++ready.readies;
    Place(lane, now_ns, &actions);
  }
  Act(std::move(actions), now_ns);
}

void Scheduler::SlotGone(LaneKind lane, int slot) {
  absl::MutexLock lock(&mutex_);
  State(lane).slots[slot].capacity = kGone;
}

void Scheduler::OnLoop(uint64_t serial, int64_t now_ns) {
  Actions actions;
  {
    absl::MutexLock lock(&mutex_);
    auto found = entries_.find(serial);
    if (found == entries_.end() || !found->second.placed || std::exchange(found->second.on_loop, true)) return;
    const LaneKind lane = found->second.task->lane;
    Slot& slot = State(lane).slots[found->second.slot];
    --slot.on_threads;
    ++slot.on_loop;
    Place(lane, now_ns, &actions);
  }
  Act(std::move(actions), now_ns);
}

void Scheduler::Ended(std::vector<EndedTask> ended, int64_t now_ns) {
  Actions actions;
  {
    absl::MutexLock lock(&mutex_);
    for (EndedTask& task : ended) EndPlaced(std::move(task), now_ns, &actions);
    for (const LaneKind lane : {LaneKind::kIo, LaneKind::kCpu}) Place(lane, now_ns, &actions);
  }
  Act(std::move(actions), now_ns);
}

void Scheduler::EndPlaced(EndedTask ended, int64_t now_ns, Actions* actions) {
  auto found = entries_.find(ended.serial);
  if (found == entries_.end() || !found->second.placed) return;  // the lane's mistake; one `done` was promised
  Entry& entry = found->second;
  LaneState& state = State(entry.task->lane);
  --state.running;
  Slot& slot = state.slots[entry.slot];
  --(entry.on_loop ? slot.on_loop : slot.on_threads);
  Outcome& outcome = ended.outcome;
  const double run_ns = outcome.usage.run_ns.value_or(now_ns - entry.placed_ns);
  state.run_ns_average += (state.run_ns_average == 0 ? 1 : kAverageWeight) * (run_ns - state.run_ns_average);
  outcome.usage.queue_ns = entry.placed_ns - entry.accepted_ns;
  FinishEntry(ended.serial, std::move(outcome), actions);
}

void Scheduler::Drain() {
  absl::MutexLock lock(&mutex_);
  draining_ = true;
}

bool Scheduler::draining() const {
  absl::MutexLock lock(&mutex_);
  return draining_;
}

bool Scheduler::Idle() const {
  absl::MutexLock lock(&mutex_);
  return entries_.empty();
}

void Scheduler::EndWaiting(int64_t now_ns) {
  Actions actions;
  {
    absl::MutexLock lock(&mutex_);
    // From now on nothing is placed: a task that a lane still refuses must not wait for a slot that will not come.
    draining_ = true;
    ended_ = true;
    while (!expiries_.empty()) {
      const uint64_t serial = expiries_.begin()->second;
      Dequeue(entries_.at(serial));
      EndUnstarted(serial, Ending::kInterpreterLost, {.detail = "the server stopped before it started"}, now_ns,
                   &actions);
    }
  }
  Act(std::move(actions), now_ns);
}

std::vector<LaneSnapshot> Scheduler::Lanes() const {
  absl::MutexLock lock(&mutex_);
  std::vector<LaneSnapshot> lanes;
  for (const LaneKind lane : {LaneKind::kIo, LaneKind::kCpu}) {
    const LaneState& state = lane == LaneKind::kIo ? io_ : cpu_;
    lanes.push_back({.lane = lane,
                     .queued = static_cast<int>(Queued(state)),
                     .queued_bytes = state.waiting_bytes,
                     .running = state.running,
                     .endings = state.endings});
  }
  return lanes;
}

std::map<int, Scheduler::Slot>::iterator Scheduler::FreeSlot(LaneState& state) {
  auto best = state.slots.end();
  for (auto slot = state.slots.begin(); slot != state.slots.end(); ++slot) {
    const auto& [capacity, on_threads, on_loop, readies] = slot->second;
    if (on_threads >= capacity.threads || on_threads + on_loop >= capacity.threads + capacity.loop_tasks) continue;
    if (best == state.slots.end() || on_threads + on_loop < best->second.on_threads + best->second.on_loop) best = slot;
  }
  return best;
}

int64_t Scheduler::RetryAfterNs(const LaneState& state) {
  int capacity = 0;
  for (const auto& [number, slot] : state.slots) capacity += slot.capacity.threads;
  const double wait_ns = state.run_ns_average * Queued(state) / std::max(capacity, 1);
  return std::clamp(wait_ns, double{kRetryAfterNsMin}, double{kRetryAfterNsMax});
}

void Scheduler::Place(LaneKind lane, int64_t now_ns, Actions* actions) {
  LaneState& state = State(lane);
  while (!state.waiting.empty()) {
    auto slot = FreeSlot(state);
    if (slot == state.slots.end()) return;
    Entry& entry = entries_.at(*state.waiting.begin());
    Dequeue(entry);
    entry.placed = true;
    entry.handing_over = true;
    entry.slot = slot->first;
    entry.placed_ns = now_ns;
    ++slot->second.on_threads;
    ++state.running;
    actions->hand_overs.push_back({entry.task, slot->first, slot->second.readies});
  }
}

void Scheduler::Placed(const HandOver& hand_over, bool taken, int64_t now_ns, Actions* actions) {
  const uint64_t serial = hand_over.task->serial;
  const LaneKind lane = hand_over.task->lane;
  auto found = entries_.find(serial);
  if (found == entries_.end()) return;  // it ended before `run` returned
  Entry& entry = found->second;
  entry.handing_over = false;
  if (taken) {
    if (entry.stop != Stop::kNo) actions->cancels.emplace_back(lane, serial);
    return;
  }
  LaneState& state = State(lane);
  Slot& slot = state.slots[hand_over.slot];
  // Unless a successor reported ready meanwhile: the refusal was not its own, and its SlotReady will not come again.
  if (slot.readies == hand_over.readies) slot.capacity = kGone;
  --slot.on_threads;
  --state.running;
  entry.placed = false;
  if (entry.stop != Stop::kNo) {
    EndStopped(serial, entry.stop, now_ns, actions);
  } else if (ended_) {
    EndUnstarted(serial, Ending::kInterpreterLost, {.detail = "the server stopped before it started"}, now_ns, actions);
  } else {
    Enqueue(entry);
  }
}

void Scheduler::Enqueue(Entry& entry) {
  LaneState& state = State(entry.task->lane);
  state.waiting.insert(entry.task->serial);
  state.waiting_bytes += entry.bytes;
  expiries_.emplace(entry.expires_ns, entry.task->serial);
}

void Scheduler::Dequeue(Entry& entry) {
  LaneState& state = State(entry.task->lane);
  if (std::exchange(entry.paused, false)) --state.paused;
  state.waiting.erase(entry.task->serial);
  state.waiting_bytes -= entry.bytes;
  expiries_.erase({entry.expires_ns, entry.task->serial});
}

void Scheduler::EndStopped(uint64_t serial, Stop stop, int64_t now_ns, Actions* actions) {
  if (stop == Stop::kDeadline) {
    EndUnstarted(serial, Ending::kExpired, {.detail = "the call's deadline passed before it started"}, now_ns, actions);
  } else {
    EndUnstarted(serial, Ending::kCancelled, {.detail = "cancelled before it started"}, now_ns, actions);
  }
}

void Scheduler::EndUnstarted(uint64_t serial, Ending ending, Evidence evidence, int64_t now_ns, Actions* actions) {
  Outcome outcome;
  outcome.ending = ending;
  outcome.started = false;
  outcome.evidence = std::move(evidence);
  outcome.evidence.safe_to_retry = true;
  outcome.usage.queue_ns = now_ns - entries_.at(serial).accepted_ns;
  FinishEntry(serial, std::move(outcome), actions);
}

void Scheduler::FinishEntry(uint64_t serial, Outcome outcome, Actions* actions) {
  auto entry = entries_.extract(serial);
  const std::shared_ptr<const Task>& task = entry.mapped().task;
  outcome.warnings.insert(outcome.warnings.begin(), task->warnings.begin(), task->warnings.end());
  ++State(task->lane).endings[outcome.ending];
  actions->finishes.push_back({task, std::move(entry.mapped().done), std::move(outcome)});
}

void Scheduler::Act(Actions actions, int64_t now_ns) {
  // Hand-overs first: a freed core gets its next task before the last one's client gets its answer.
  while (!actions.hand_overs.empty()) {
    std::vector<HandOver> hand_overs;
    hand_overs.swap(actions.hand_overs);
    const SendTogether together;
    for (const HandOver& hand_over : hand_overs) {
      const LaneKind lane = hand_over.task->lane;
      const bool taken = Port(lane).run(hand_over.slot, hand_over.task);
      absl::MutexLock lock(&mutex_);
      Placed(hand_over, taken, now_ns, &actions);
      if (!taken) Place(lane, now_ns, &actions);
    }
  }
  for (const auto& [lane, serial] : actions.cancels) Port(lane).cancel(serial);
  for (Finish& finish : actions.finishes) finish.done(*finish.task, std::move(finish.outcome));
}

}  // namespace gild
