#include "server/scheduler/scheduler.h"

#include <algorithm>
#include <map>
#include <set>
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
    case Refusal::Reason::kSessionsFull: return "sessions_full";
    case Refusal::Reason::kRepliesUnread: return "replies_unread";
    case Refusal::Reason::kDraining: return "draining";
  }
  return "?";
}

Scheduler::Scheduler(LanePort io, LanePort cpu, Bounds bounds)
    : io_port_(std::move(io)), cpu_port_(std::move(cpu)), bounds_(bounds), sessions_(bounds.sessions) {}

std::variant<uint64_t, Refusal> Scheduler::Submit(Task&& task, Done done, int64_t now_ns) {
  Actions actions;
  uint64_t serial = 0;
  {
    absl::MutexLock lock(&mutex_);
    const LaneKind lane = task.lane;
    LaneState& state = State(lane);
    if (draining_) return Refusal{Refusal::Reason::kDraining, kDrainingRetryNs};
    const int64_t bytes = task.Bytes();
    const bool in_session = lane == LaneKind::kIo && !task.session.empty();
    const Sessions::Session* const session = in_session ? sessions_.Find({task.principal, task.session}) : nullptr;
    const auto known = state.principals.find(task.principal);
    Principal* principal = known == state.principals.end() ? nullptr : &known->second;
    // What can start at once does not wait, so the bound of the queue says nothing about it.
    if (state.queued >= bounds_.queued_tasks && !StartsAtOnce(state, task, principal, session)) {
      return Refusal{Refusal::Reason::kQueueFull, RetryAfterNs(state)};
    }
    // Nor do large ones in flight keep a small one from a thread that is free.
    const bool fits = state.held_bytes == 0 || state.held_bytes + bytes <= bounds_.held_bytes;
    if (!fits && (bytes > kLetByBytes || !StartsAtOnce(state, task, principal, session))) {
      return Refusal{Refusal::Reason::kQueueBytesFull, RetryAfterNs(state)};
    }
    if (in_session && session == nullptr && !sessions_.HasRoom()) {
      return Refusal{Refusal::Reason::kSessionsFull, RetryAfterNs(state)};
    }
    serial = ++last_serial_;
    task.serial = serial;
    Entry& entry = entries_[serial];
    if (in_session) {
      std::optional<Sessions::Forgotten> forgotten;
      entry.session = sessions_.Begin({task.principal, task.session}, now_ns, &forgotten);
      task.session_number = entry.session->number();
      if (forgotten) Forget(*forgotten, &actions);
    }
    if (principal == nullptr) principal = &state.principals[task.principal];
    entry.principal = principal;
    ++principal->tasks;
    state.held_bytes += bytes;
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

void Scheduler::Withdraw(uint64_t serial, int64_t now_ns) {
  Actions actions;
  {
    absl::MutexLock lock(&mutex_);
    auto found = entries_.find(serial);
    if (found == entries_.end() || found->second.placed) return;
    StopWaiting(found->second, Stop::kCancel, now_ns, &actions);
  }
  Act(std::move(actions), now_ns);
}

void Scheduler::StopTask(uint64_t serial, Stop stop, int64_t now_ns) {
  Actions actions;
  {
    absl::MutexLock lock(&mutex_);
    auto found = entries_.find(serial);
    if (found == entries_.end()) return;
    Entry& entry = found->second;
    if (!entry.placed) {
      StopWaiting(entry, stop, now_ns, &actions);
    } else if (entry.handing_over) {
      // The lane may not know the task yet, and would not remember a cancel: Placed sees to it.
      if (entry.stop == Stop::kNo) entry.stop = stop;
    } else {
      // Where it has not begun, it comes back.
      if (entry.stop == Stop::kNo) entry.stop = stop;
      actions.cancels.emplace_back(entry.task->lane, serial);
    }
  }
  Act(std::move(actions), now_ns);
}

void Scheduler::StopWaiting(Entry& entry, Stop stop, int64_t now_ns, Actions* actions) {
  const LaneKind lane = entry.task->lane;
  const uint64_t serial = entry.task->serial;
  Dequeue(entry);
  EndStopped(serial, stop, now_ns, actions);
  Place(lane, now_ns, actions);  // a slot may have been kept for it
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

void Scheduler::Pause(const std::vector<uint64_t>& serials, int64_t now_ns) {
  Actions actions;
  {
    absl::MutexLock lock(&mutex_);
    for (const uint64_t serial : serials) {
      auto found = entries_.find(serial);
      if (found == entries_.end() || found->second.placed || std::exchange(found->second.paused, true)) continue;
      LeaveQueue(found->second);
    }
    for (const LaneKind lane : {LaneKind::kIo, LaneKind::kCpu}) Place(lane, now_ns, &actions);
  }
  Act(std::move(actions), now_ns);
}

void Scheduler::Resume(const std::vector<uint64_t>& serials, int64_t now_ns) {
  Actions actions;
  {
    absl::MutexLock lock(&mutex_);
    for (const uint64_t serial : serials) {
      auto found = entries_.find(serial);
      if (found == entries_.end() || !std::exchange(found->second.paused, false)) continue;
      QueueOf(found->second).insert(serial);
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
    for (const LaneKind lane : {LaneKind::kIo, LaneKind::kCpu}) Place(lane, now_ns, &actions);
    while (const std::optional<Sessions::Forgotten> forgotten = sessions_.ForgetIdle(now_ns)) {
      Forget(*forgotten, &actions);
    }
  }
  Act(std::move(actions), now_ns);
}

void Scheduler::SessionsGone(size_t count) {
  absl::MutexLock lock(&mutex_);
  sessions_.Gone(count);
}

void Scheduler::SlotReady(LaneKind lane, int slot, Capacity capacity, int64_t now_ns) {
  Actions actions;
  {
    absl::MutexLock lock(&mutex_);
    Slots::Slot& ready = State(lane).slots[slot];
    ready.capacity = capacity;
    ready.kind = capacity.kind;
    ready.seat = capacity.seat;
    ready.stuck = false;
    ++ready.readies;
    Place(lane, now_ns, &actions);
  }
  Act(std::move(actions), now_ns);
}

void Scheduler::SlotGone(LaneKind lane, int slot) {
  absl::MutexLock lock(&mutex_);
  State(lane).slots[slot].capacity = Slots::kGone;
}

void Scheduler::OnLoop(uint64_t serial, int64_t now_ns) {
  Actions actions;
  {
    absl::MutexLock lock(&mutex_);
    auto found = entries_.find(serial);
    if (found == entries_.end() || !found->second.placed || std::exchange(found->second.on_loop, true)) return;
    const LaneKind lane = found->second.task->lane;
    Slots::Slot& slot = State(lane).slots[found->second.slot];
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
    actions.finishes.reserve(ended.size());
    for (EndedTask& task : ended) EndPlaced(std::move(task), now_ns, &actions);
    for (const LaneKind lane : {LaneKind::kIo, LaneKind::kCpu}) Place(lane, now_ns, &actions);
  }
  Act(std::move(actions), now_ns);
}

void Scheduler::EndPlaced(EndedTask&& ended, int64_t now_ns, Actions* actions) {
  auto found = entries_.find(ended.serial);
  if (found == entries_.end() || !found->second.placed) return;  // the lane's mistake; one `done` was promised
  Entry& entry = found->second;
  LaneState& state = State(entry.task->lane);
  --state.running;
  Slots::Slot& slot = state.slots[entry.slot];
  state.slots.Leave(&slot, entry.on_loop);
  slot.stuck = false;
  slot.idle_since_ns = now_ns;
  Outcome& outcome = ended.outcome;
  const double run_ns = outcome.usage.run_ns.value_or(now_ns - entry.placed_ns);
  state.run_ns_average += (state.run_ns_average == 0 ? 1 : kAverageWeight) * (run_ns - state.run_ns_average);
  outcome.usage.queue_ns = entry.placed_ns - entry.accepted_ns;
  FinishEntry(ended.serial, std::move(outcome), now_ns, actions);
}

void Scheduler::Returned(const std::vector<uint64_t>& serials, int64_t now_ns) {
  Actions actions;
  {
    absl::MutexLock lock(&mutex_);
    for (const uint64_t serial : serials) {
      auto found = entries_.find(serial);
      if (found == entries_.end() || !found->second.placed) continue;
      Entry& entry = found->second;
      State(entry.task->lane).slots[entry.slot].stuck = true;
      if (entry.handing_over) {
        entry.returned = true;  // Placed sees to it
      } else {
        Unplace(entry, now_ns, &actions);
      }
    }
    for (const LaneKind lane : {LaneKind::kIo, LaneKind::kCpu}) Place(lane, now_ns, &actions);
  }
  Act(std::move(actions), now_ns);
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
    const int ahead = state.slots.Ahead();
    lanes.push_back({.lane = lane,
                     .queued = static_cast<int>(state.queued) + ahead,
                     .queued_bytes = state.queued_bytes,
                     .running = state.running - ahead,
                     .endings = state.endings});
  }
  return lanes;
}

SessionsSnapshot Scheduler::SessionsNow(int64_t now_ns) const {
  absl::MutexLock lock(&mutex_);
  return sessions_.Snapshot(now_ns);
}

absl::btree_set<uint64_t>& Scheduler::QueueOf(const Entry& entry) {
  LaneState& state = State(entry.task->lane);
  const bool placed = entry.session != nullptr && entry.session->slot >= 0;
  if (placed) return state.slots.at(entry.session->slot).waiting;
  return entry.principal->waiting[SlotKind::Of(*entry.task).index()];
}

int64_t Scheduler::RetryAfterNs(const LaneState& state) {
  const double wait_ns = state.run_ns_average * state.queued / std::max(state.slots.Threads(), 1);
  return std::clamp(wait_ns, double{kRetryAfterNsMin}, double{kRetryAfterNsMax});
}

void Scheduler::LeaveQueue(const Entry& entry) {
  // It may still be where it was put before its session got a slot.
  const uint64_t serial = entry.task->serial;
  if (QueueOf(entry).erase(serial) == 0) entry.principal->waiting[SlotKind::Of(*entry.task).index()].erase(serial);
}

bool Scheduler::StartsAtOnce(LaneState& state, const Task& task, const Principal* principal,
                             const Sessions::Session* session) {
  // Where others wait, slots may be kept for them.
  if (state.queued > 0 && state.principals.size() > (principal == nullptr ? 0 : 1)) return false;
  if (session == nullptr || session->slot < 0) {
    if (principal != nullptr && !principal->waiting[SlotKind::Of(task).index()].empty()) return false;
    return state.slots.Free(task, principal, state.principals, state.run_ns_average) != state.slots.end();
  }
  const Slots::Slot& slot = state.slots.at(session->slot);
  return slot.waiting.empty() && slot.HasRoom();
}

void Scheduler::ChangeHands(LaneKind lane, Slots::Iterator slot, Principal* to, Actions* actions) {
  Slots::Slot& s = slot->second;
  Principal* const from = std::exchange(s.principal, to);
  --from->slots;
  ++to->slots;
  s.changing_hands = true;
  s.capacity = Slots::kGone;
  // Its sessions begin anew, wherever their next tasks run.
  if (lane == LaneKind::kIo) sessions_.LeaveSlot(slot->first);
  s.sessions = 0;
  for (const uint64_t serial : std::exchange(s.waiting, {})) QueueOf(entries_.at(serial)).insert(serial);
  DropIfGone(State(lane), from);
  actions->replacements.emplace_back(lane, slot->first);
}

void Scheduler::DropIfGone(LaneState& state, const Principal* principal) {
  if (principal->tasks > 0 || principal->slots > 0) return;
  const auto found = std::find_if(state.principals.begin(), state.principals.end(),
                                  [principal](const auto& entry) { return &entry.second == principal; });
  state.principals.erase(found);
}

std::pair<uint64_t, Slots::Iterator> Scheduler::NextToStart(LaneKind lane, Actions* actions) {
  LaneState& state = State(lane);
  const auto none = state.slots.end();
  struct First {
    uint64_t serial;
    Principal* principal;  // null: of a session
    Slots::Iterator slot;  // of its session
  };
  absl::InlinedVector<First, 8> firsts;
  for (auto& [name, principal] : state.principals) {
    for (absl::btree_set<uint64_t>& waiting : principal.waiting) {
      while (!waiting.empty()) {
        const uint64_t serial = *waiting.begin();
        absl::btree_set<uint64_t>& queue = QueueOf(entries_.at(serial));
        if (&queue == &waiting) {
          firsts.push_back({serial, &principal, none});
          break;
        }
        waiting.erase(waiting.begin());
        queue.insert(serial);
      }
    }
  }
  for (auto slot = state.slots.begin(); slot != none; ++slot) {
    if (!slot->second.waiting.empty()) firsts.push_back({*slot->second.waiting.begin(), nullptr, slot});
  }
  std::sort(firsts.begin(), firsts.end(), [](const First& a, const First& b) { return a.serial < b.serial; });

  Slots::Kept kept;
  for (const First& first : firsts) {
    if (first.principal == nullptr) {
      const Slots::Slot& slot = first.slot->second;
      if (slot.HasRoom() && std::find(kept.begin(), kept.end(), &slot) == kept.end()) return {first.serial, first.slot};
      continue;
    }
    const Task& task = *entries_.at(first.serial).task;
    const auto free = state.slots.Free(task, first.principal, state.principals, state.run_ns_average, kept);
    if (free != none) return {first.serial, free};
    const auto claimed = state.slots.ToClaim(SlotKind::Of(task), *first.principal, state.principals);
    if (claimed == none) continue;
    if (state.slots.Idle(claimed->second)) {
      ChangeHands(lane, claimed, first.principal, actions);
    } else {
      kept.push_back(&claimed->second);
    }
  }
  return {0, none};
}

void Scheduler::Place(LaneKind lane, int64_t now_ns, Actions* actions) {
  LaneState& state = State(lane);
  while (state.queued > 0) {
    const auto [serial, slot] = NextToStart(lane, actions);
    if (slot == state.slots.end()) return;
    Entry& entry = entries_.at(serial);
    Dequeue(entry);
    entry.placed = true;
    entry.handing_over = true;
    entry.slot = slot->first;
    // It may have come after `now_ns`, while a round was handed over.
    entry.placed_ns = std::max(now_ns, entry.accepted_ns);
    if (entry.session != nullptr && entry.session->slot < 0) {
      entry.session->slot = slot->first;
      ++slot->second.sessions;
    }
    if (slot->second.principal == nullptr && !slot->second.kind.fresh) {
      slot->second.principal = entry.principal;
      ++entry.principal->slots;
    }
    state.slots.Enter(&slot->second, /*narrows=*/entry.task->limits.OfSlot());
    ++state.running;
    actions->hand_overs.push_back({entry.task, slot->first, slot->second.readies});
  }
}

void Scheduler::Forget(const Sessions::Forgotten& forgotten, Actions* actions) {
  if (forgotten.slot < 0) return;
  --io_.slots.at(forgotten.slot).sessions;
  actions->forgets[forgotten.slot].push_back(forgotten.number);
}

bool Scheduler::Placed(const HandOver& hand_over, int64_t now_ns, Actions* actions) {
  const uint64_t serial = hand_over.task->serial;
  const LaneKind lane = hand_over.task->lane;
  auto found = entries_.find(serial);
  if (found == entries_.end()) return false;  // it ended before its round was over
  Entry& entry = found->second;
  entry.handing_over = false;
  const bool returned = std::exchange(entry.returned, false);
  if (hand_over.taken && !returned) {
    if (entry.stop != Stop::kNo) actions->cancels.emplace_back(lane, serial);
    return false;
  }
  Slots::Slot& slot = State(lane).slots[hand_over.slot];
  // Unless a successor reported ready meanwhile: the refusal was not its own, and its SlotReady will not come again.
  if (!hand_over.taken && slot.readies == hand_over.readies) slot.capacity = Slots::kGone;
  Unplace(entry, now_ns, actions);
  return true;
}

void Scheduler::Unplace(Entry& entry, int64_t now_ns, Actions* actions) {
  LaneState& state = State(entry.task->lane);
  state.slots.Leave(&state.slots[entry.slot], /*from_loop=*/false);
  --state.running;
  entry.placed = false;
  const uint64_t serial = entry.task->serial;
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
  QueueOf(entry).insert(entry.task->serial);
  ++state.queued;
  state.queued_bytes += entry.bytes;
  expiries_.emplace(entry.expires_ns, entry.task->serial);
}

void Scheduler::Dequeue(Entry& entry) {
  LaneState& state = State(entry.task->lane);
  if (!std::exchange(entry.paused, false)) LeaveQueue(entry);
  --state.queued;
  state.queued_bytes -= entry.bytes;
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
  FinishEntry(serial, std::move(outcome), now_ns, actions);
}

void Scheduler::FinishEntry(uint64_t serial, Outcome&& outcome, int64_t now_ns, Actions* actions) {
  auto entry = entries_.extract(serial);
  const std::shared_ptr<const Task>& task = entry.mapped().task;
  outcome.warnings.insert(outcome.warnings.begin(), task->warnings.begin(), task->warnings.end());
  if (Sessions::Session* const session = entry.mapped().session) {
    // A task that never began has seen nothing of its interpreter.
    const std::string ran_in = outcome.usage.run_ns ? outcome.usage.interpreter : "";
    if (sessions_.End(session, ran_in, now_ns)) {
      outcome.warnings.push_back("the session's globals were lost with its interpreter, which was replaced");
    }
  }
  LaneState& state = State(task->lane);
  state.held_bytes -= entry.mapped().bytes;
  --entry.mapped().principal->tasks;
  DropIfGone(state, entry.mapped().principal);
  ++state.endings[outcome.ending];
  actions->finishes.push_back({task, std::move(entry.mapped().done), std::move(outcome)});
}

void Scheduler::Act(Actions actions, int64_t now_ns) {
  // Hand-overs first: a freed core gets its next task before the last one's client gets its answer.
  while (!actions.hand_overs.empty() || !actions.replacements.empty()) {
    std::vector<HandOver> hand_overs;
    hand_overs.swap(actions.hand_overs);
    const SendTogether together;
    for (HandOver& hand_over : hand_overs) {
      hand_over.taken = Port(hand_over.task->lane).run(hand_over.slot, hand_over.task);
    }
    if (!hand_overs.empty()) {
      absl::MutexLock lock(&mutex_);
      std::set<LaneKind> again;
      for (const HandOver& hand_over : hand_overs) {
        if (Placed(hand_over, now_ns, &actions)) again.insert(hand_over.task->lane);
      }
      for (const LaneKind lane : again) Place(lane, now_ns, &actions);
    }
    for (const auto& [lane, slot] : std::exchange(actions.replacements, {})) {
      Port(lane).replace(slot);
      absl::MutexLock lock(&mutex_);
      // Its successor may have reported ready meanwhile.
      State(lane).slots.at(slot).changing_hands = false;
      Place(lane, now_ns, &actions);
    }
  }
  for (const auto& [lane, serial] : actions.cancels) Port(lane).cancel(serial);
  for (const auto& [slot, sessions] : actions.forgets) {
    if (!io_port_.forget(slot, sessions)) SessionsGone(sessions.size());
  }
  for (Finish& finish : actions.finishes) finish.done(*finish.task, std::move(finish.outcome));
}

}  // namespace gild
