#include "server/lane/lane.h"

#include <signal.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/base/clock.h"
#include "server/base/errors.h"
#include "server/base/log.h"

namespace gild {
namespace {

InterpreterState StateOf(bool making, bool ready, bool ending) {
  if (ready) return InterpreterState::kReady;
  if (ending) return InterpreterState::kStopping;
  return making ? InterpreterState::kStarting : InterpreterState::kBackingOff;
}

// The larger of each, so that a total never goes back.
void RaiseTo(std::optional<LockUsage>* told, const LockUsage& now) {
  if (!*told) *told = LockUsage{};
  LockUsage& usage = **told;
  usage.wait_ns = std::max(usage.wait_ns, now.wait_ns);
  usage.hold_ns = std::max(usage.hold_ns, now.hold_ns);
  usage.takes = std::max(usage.takes, now.takes);
  usage.contended_takes = std::max(usage.contended_takes, now.contended_takes);
  usage.forced_releases = std::max(usage.forced_releases, now.forced_releases);
  usage.longest_hold_ns = std::max(usage.longest_hold_ns, now.longest_hold_ns);
}

// What a task did to its interpreter is in the task's outcome; what nobody's task explains is worth a look.
bool WorthAWarning(const std::string& cause) {
  return cause == "killed" || cause == "protocol_error" || cause == "start_failed" || cause == "slot_lost";
}

}  // namespace

Lane::Lane(Config config, Poller* poller, SlotFactory* slots, Events events)
    : config_(std::move(config)), poller_(poller), factory_(slots), events_(std::move(events)) {
  GILD_CHECK(config_.slots > 0 && config_.slots <= kInterpretersMax);
  GILD_CHECK(config_.threads > 0 && config_.threads <= kThreadsMax && (!alone() || config_.threads == 1));
  GILD_CHECK(config_.loop_tasks >= 0 && config_.loop_tasks <= kLoopTasksMax && (!alone() || config_.loop_tasks == 0));
  GILD_CHECK(config_.ahead >= 0 && (alone() || config_.ahead == 0));
  for (int seat = 0; seat < config_.slots; ++seat) AddSlot({}, seat, "");
  for (const Config::Extra& extra : config_.extra) {
    GILD_CHECK(extra.seats <= config_.slots && (alone() || !extra.kind.fresh));
    const std::string suffix = absl::StrCat(extra.kind.subprocess ? "-sub" : "", extra.kind.fresh ? "-fresh" : "");
    for (int number = 0; number < extra.per_seat; ++number) {
      for (int seat = 0; seat < extra.seats; ++seat) {
        AddSlot(extra.kind, seat, number == 0 ? suffix : absl::StrCat(suffix, number + 1));
      }
    }
  }
  absl::MutexLock lock(&mutex_);
  shared_.resize(slots_.size());
  for (Shared& shared : shared_) {
    for (const char* const cause : kRestartCauses) shared.restarts[cause] = 0;
  }
}

Lane::~Lane() = default;

void Lane::AddSlot(SlotKind kind, int seat, const std::string& suffix) {
  Slot& slot = slots_.emplace_back();
  slot.name = absl::StrCat(SlotName(config_.kind, seat), suffix);
  slot.kind = kind;
  slot.seat = seat;
  if (!config_.cores.empty()) slot.core = config_.cores[seat % config_.cores.size()];
}

// ---- from any thread ----

void Lane::Start() {
  poller_->Post([this] {
    for (int i = 0; i < slots() && !shut_down_; ++i) MakeSlot(i);
    InspectAll();
  });
}

bool Lane::Run(int slot, const std::shared_ptr<const Task>& task) {
  const std::shared_ptr<InterpreterHandle> interpreter = InterpreterOf(slot);
  if (interpreter == nullptr) return false;
  if (config_.lone_core != nullptr) config_.lone_core->HandsOver(slots_[slot].core, NowNs());
  const bool taken = interpreter->Run(task);
  if (!taken) HearOf(1);
  return taken;
}

void Lane::Replace(int slot) {
  const std::shared_ptr<InterpreterHandle> interpreter = InterpreterOf(slot);
  if (interpreter == nullptr || !interpreter->Close()) return;
  poller_->Post([interpreter] { interpreter->Doom(Retirement::kPrincipal); });
}

bool Lane::ForgetSessions(int slot, const std::vector<uint64_t>& sessions) {
  const std::shared_ptr<InterpreterHandle> interpreter = InterpreterOf(slot);
  return interpreter != nullptr && interpreter->ForgetSessions(sessions);
}

void Lane::Cancel(uint64_t serial) {
  poller_->Post([this, serial] {
    for (int i = 0; i < slots(); ++i) {
      const std::shared_ptr<InterpreterHandle> interpreter = InterpreterOf(i);
      if (interpreter && interpreter->Stop(serial, StopReason::kCancelled)) return;
    }
  });
}

Glimpse Lane::Peek(int slot, uint64_t serial, OutputPoint after) const {
  const std::shared_ptr<InterpreterHandle> interpreter = InterpreterOf(slot);
  return interpreter == nullptr ? Glimpse() : interpreter->Peek(serial, after);
}

void Lane::Shutdown() {
  poller_->Post([this] {
    if (std::exchange(shut_down_, true)) return;
    for (int i = 0; i < slots(); ++i) {
      if (const std::shared_ptr<InterpreterHandle> interpreter = InterpreterOf(i)) {
        interpreter->Doom(Retirement::kShutdown);
      } else {
        DropTimer(i);
        slots_[i].process.reset();
        SetPhase(i, Phase::kIdle);
      }
    }
  });
}

bool Lane::Serving(int64_t now_ns) const {
  for (int i = 0; i < config_.slots; ++i) {
    const std::shared_ptr<InterpreterHandle> interpreter = InterpreterOf(i);
    if (interpreter && interpreter->Serving(now_ns)) return true;
  }
  return false;
}

std::vector<SlotSnapshot> Lane::Snapshot(int64_t now_ns) const {
  std::vector<SlotSnapshot> snapshots;
  for (int i = 0; i < slots(); ++i) {
    SlotSnapshot& snapshot = snapshots.emplace_back();
    snapshot.slot = slots_[i].name;  // never changes, nor does its core
    snapshot.core = slots_[i].core;
    snapshot.lane = config_.kind;
    snapshot.capacity = config_.threads;

    // Under the lock, so that an interpreter's sums are counted once: as live, or as past.
    absl::MutexLock lock(&mutex_);
    Shared& shared = shared_[i];
    const bool making = shared.phase == Phase::kMaking || shared.phase == Phase::kStarting;
    snapshot.state =
        StateOf(making, shared.phase == Phase::kReady, shared.phase == Phase::kEnding || shared.phase == Phase::kIdle);
    snapshot.generation = shared.generation;
    snapshot.restarts = shared.restarts;
    snapshot.denied = shared.denied;
    snapshot.replaced_in_ns = shared.replaced_in_ns;
    if (shared.interpreter) shared.interpreter->FillSnapshot(now_ns, &snapshot);
    if (shared.past_lock) {
      if (!snapshot.lock) snapshot.lock = LockUsage{};
      AddTo(&*snapshot.lock, *shared.past_lock);
    }
    if (snapshot.lock) {
      RaiseTo(&shared.told_lock, *snapshot.lock);
      snapshot.lock = shared.told_lock;
    }
  }
  return snapshots;
}

// ---- a slot's life ----

void Lane::MakeSlot(int slot) {
  Slot& s = slots_[slot];
  SlotOrder order{.name = s.name,
                  .lane = config_.kind,
                  .network = config_.network,
                  .subprocess = s.kind.subprocess,
                  .tasks_max = TasksMax(slot),
                  .growth_bytes_max = alone() ? config_.limits.memory_bytes / kGrowthPart : 0,
                  .core = s.core,
                  .nice = config_.nice,
                  .group = config_.group,
                  .required = config_.required};
  if (config_.uid_first != 0) order.uid = config_.uid_first + slot;
  order.groups = GroupsOf(slot);
  if (!config_.scratch_root.empty()) {
    order.scratch = absl::StrCat(config_.scratch_root, "/", s.name);
    if (mkdir(order.scratch.c_str(), 0700) != 0 && errno != EEXIST) {
      LogError("cannot make a slot's scratch folder",
               {{"slot", s.name}, {"error", ErrnoStatus(errno, "mkdir " + order.scratch).ToString()}});
      CountRestart(slot, "start_failed");
      return Next(slot, /*at_once=*/false);
    }
  }
  SetPhase(slot, Phase::kMaking);
  s.process = factory_->MakeSlot(
      order, {.on_ready = [this, slot] { OnSlotReady(slot); },
              .on_started = [this, slot](uint64_t generation,
                                         int error_number) { OnInterpreterStarted(slot, generation, error_number); },
              .on_ended = [this, slot](const InterpreterEnd& end) { OnInterpreterEnded(slot, end); },
              .on_denied = [this, slot](const std::map<std::string, uint64_t>& calls) { OnDenied(slot, calls); },
              .on_gone = [this, slot](const absl::Status& reason) { OnSlotGone(slot, reason); }});
  SetTimer(slot, config_.start_limit_ns, [this, slot] { LoseSlot(slot, "it was not ready in time"); });
}

std::map<Layer, OwnGroup> Lane::GroupsOf(int slot) {
  std::map<Layer, OwnGroup> groups;
  const auto none = [&groups](Layer layer, const std::string& why) { groups[layer] = {.folder = "", .why_none = why}; };
  if (config_.groups == nullptr) return groups;
  for (const auto& [layer, why] : config_.groups->missing()) none(layer, why);
  std::unique_ptr<SlotGroup>& group = slots_[slot].group;
  if (group == nullptr) {
    absl::StatusOr<std::unique_ptr<SlotGroup>> made = config_.groups->MakeSlot(slots_[slot].name, config_.limits);
    if (!made.ok()) {
      for (const Layer layer : {Layer::kMemoryGroup, Layer::kPidsGroup, Layer::kCpuGroup, Layer::kKillGroup}) {
        none(layer, std::string(made.status().message()));
      }
      return groups;
    }
    group = *std::move(made);
  }
  for (const auto& [layer, folder] : group->folders()) groups[layer] = {.folder = folder, .why_none = ""};
  for (const auto& [layer, why] : group->missing()) groups[layer].why_none = why;
  return groups;
}

void Lane::OnSlotReady(int slot) {
  if (PhaseOf(slot) == Phase::kMaking) StartInterpreter(slot);
}

void Lane::StartInterpreter(int slot) {
  Slot& s = slots_[slot];
  ForgetOomKills(slot);
  uint64_t generation;
  {
    absl::MutexLock lock(&mutex_);
    generation = ++shared_[slot].generation;
  }
  InterpreterHandle::Config config{.name = absl::StrCat(s.name, "#", generation),
                                   .threads = config_.threads,
                                   .loop_tasks = config_.loop_tasks,
                                   .ahead = s.kind.fresh ? 0 : config_.ahead,
                                   .ahead_patience_ns = config_.ahead_patience_ns,
                                   .alone = alone(),
                                   .core = s.core,
                                   .stop_grace_ns = config_.stop_grace_ns,
                                   .begin_limit_ns = config_.begin_limit_ns,
                                   .cpu_ns_of = config_.cpu_ns_of,
                                   .pids_allowed = config_.limits.pids,
                                   .tasks_max = TasksMax(slot)};
  if (s.group != nullptr) {
    s.group->BeginInterpreter(generation);
    config.pids_refused = [group = s.group.get()] { return group->PidsRefused().value_or(0); };
    config.narrow = [group = s.group.get(), generation](const Limits& limits) {
      const int64_t memory_bytes = limits.memory_bytes > 0 ? limits.memory_bytes + kTaskMemorySlackBytes : 0;
      return group->Narrow(generation, limits.processes, memory_bytes);
    };
    config.widen = [group = s.group.get(), generation] { group->Widen(generation); };
    // What a process of its tasks was refused, and what it uses, only the kernel knows.
    config.starts_processes = s.kind.subprocess;
    if (s.kind.subprocess && s.group->Populated() && s.group->CpuNs()) {
      config.cpu_ns_of = [group = s.group.get()](int) { return group->CpuNs().value_or(0); };
    }
  }
  InterpreterHandle::Events events{
      .on_ready = [this, slot] { OnInterpreterReady(slot); },
      .on_available = [this, slot](bool available) { OnAvailable(slot, available); },
      .on_task_on_loop = [this](uint64_t serial) { events_.on_loop(serial); },
      .on_tasks_ended = [this, slot](std::vector<EndedTask> tasks) { OnTasksEnded(slot, std::move(tasks)); },
      .on_tasks_returned = [this](std::vector<uint64_t> serials) { OnTasksReturned(std::move(serials)); },
      .on_sessions_gone = [this](size_t count) { events_.sessions_gone(count); },
      .on_doomed = [this, slot] { OnDoomed(slot); },
      .on_silent = [this, slot] { OnSilent(slot); }};
  InterpreterHandle::ChildEnds ends;
  absl::StatusOr<std::shared_ptr<InterpreterHandle>> made =
      InterpreterHandle::Create(poller_, std::move(config), std::move(events), &ends);
  if (!made.ok()) {
    LogError("cannot start an interpreter", {{"slot", s.name}, {"error", made.status().ToString()}});
    CountRestart(slot, "start_failed");
    return Next(slot, /*at_once=*/false);
  }
  {
    absl::MutexLock lock(&mutex_);
    shared_[slot].interpreter = *std::move(made);
    shared_[slot].phase = Phase::kStarting;
  }
  SetTimer(slot, config_.start_limit_ns, [this, slot] {
    if (const auto interpreter = InterpreterOf(slot)) interpreter->Doom(Retirement::kStartFailed, "not ready in time");
  });
  s.process->StartInterpreter(generation, alone(), std::move(ends.channel), std::move(ends.page));
}

void Lane::OnInterpreterReady(int slot) {
  DropTimer(slot);
  if (const int64_t ended_ns = std::exchange(slots_[slot].ended_ns, 0); ended_ns != 0) {
    absl::MutexLock lock(&mutex_);
    shared_[slot].replaced_in_ns = NowNs() - ended_ns;
  }
  SetPhase(slot, Phase::kReady);
  LogInfo("interpreter ready", {{"slot", slots_[slot].name}, {"generation", absl::StrCat(GenerationOf(slot))}});
  events_.ready(slot);
}

void Lane::OnAvailable(int slot, bool available) {
  if (PhaseOf(slot) != Phase::kReady) return;
  if (available) {
    events_.ready(slot);
  } else {
    events_.gone(slot);
  }
}

void Lane::OnTasksEnded(int slot, std::vector<EndedTask> tasks) {
  // A process that an earlier task started says nothing of what ends the next one.
  if (alone() && slots_[slot].kind.subprocess) ForgetOomKills(slot);
  HearOf(tasks.size());
  events_.ended(std::move(tasks));
}

void Lane::OnTasksReturned(std::vector<uint64_t> serials) {
  HearOf(serials.size());
  events_.returned(std::move(serials));
}

void Lane::HearOf(int64_t tasks) {
  if (config_.lone_core != nullptr) config_.lone_core->HearsOf(tasks, NowNs());
}

void Lane::InspectAll() {
  HearOf(0);  // there may have been none for long
  if (shut_down_) return;
  for (int i = 0; i < slots(); ++i) {
    if (const std::shared_ptr<InterpreterHandle> interpreter = InterpreterOf(i)) interpreter->Inspect();
  }
  poller_->RunAt(NowNs() + config_.inspect_ns, [this] { InspectAll(); });
}

void Lane::BeginEnding(int slot) {
  DropTimer(slot);
  const bool was_ready = PhaseOf(slot) == Phase::kReady;
  SetPhase(slot, Phase::kEnding);
  if (was_ready) events_.gone(slot);
}

void Lane::OnDoomed(int slot) {
  BeginEnding(slot);
  SetTimer(slot, config_.kill_limit_ns,
           [this, slot] { LoseSlot(slot, "a killed interpreter was not reaped in time"); });
  if (slots_[slot].process) slots_[slot].process->KillInterpreter(GenerationOf(slot), SIGKILL);
}

void Lane::OnSilent(int slot) {
  BeginEnding(slot);
  SetTimer(slot, config_.silence_ns, [this, slot] {
    const auto interpreter = InterpreterOf(slot);
    if (!interpreter) return;
    const int pid = interpreter->pid();
    if (pid == 0 || !config_.is_dead(pid)) {
      return interpreter->Doom(Retirement::kProtocolError, "it closed its channel and lived on");
    }
    // Beside thousands of processes its init is slow to reap it.
    SetTimer(slot, config_.kill_limit_ns,
             [this, slot] { LoseSlot(slot, "a dead interpreter was not reaped in time"); });
  });
}

void Lane::OnInterpreterStarted(int slot, uint64_t generation, int error_number) {
  if (error_number == 0 || generation != GenerationOf(slot)) return;
  const std::shared_ptr<InterpreterHandle> interpreter = InterpreterOf(slot);
  if (!interpreter) return;
  BeginEnding(slot);
  interpreter->Doom(Retirement::kStartFailed, std::string(ErrnoStatus(error_number, "fork").message()));
  Finish(slot, std::nullopt);
}

void Lane::OnInterpreterEnded(int slot, const InterpreterEnd& end) {
  if (end.generation != GenerationOf(slot) || !InterpreterOf(slot)) return;
  InterpreterEnd with_memory = end;
  if (slots_[slot].group != nullptr) {
    with_memory.oom_kills = OomKills(slot);
    with_memory.memory_allowed_bytes = config_.limits.memory_bytes;
  }
  Finish(slot, with_memory);
}

uint64_t Lane::OomKills(int slot) const {
  const SlotGroup* const group = slots_[slot].group.get();
  return group == nullptr ? 0 : group->OomKills().value_or(0) - slots_[slot].oom_kills;
}

void Lane::ForgetOomKills(int slot) {
  Slot& s = slots_[slot];
  if (s.group != nullptr) s.oom_kills = s.group->OomKills().value_or(0);
}

void Lane::OnDenied(int slot, const std::map<std::string, uint64_t>& calls) {
  absl::MutexLock lock(&mutex_);
  for (const auto& [name, count] : calls) shared_[slot].denied[name] += count;
}

void Lane::OnSlotGone(int slot, const absl::Status& reason) {
  slots_[slot].process.reset();
  const std::shared_ptr<InterpreterHandle> interpreter = InterpreterOf(slot);
  // The kernel had taken the interpreter, found no room even so, and took the init as well.
  if (const uint64_t oom_kills = interpreter ? OomKills(slot) : 0; oom_kills > 0) {
    return Finish(slot, InterpreterEnd{.generation = GenerationOf(slot),
                                       .wait_status = SIGKILL,
                                       .oom_kills = oom_kills,
                                       .memory_allowed_bytes = config_.limits.memory_bytes});
  }
  if (interpreter) {
    // Unless it was to be killed anyway, which remains the reason.
    interpreter->Doom(Retirement::kSlotLost, std::string(reason.message()));
    return Finish(slot, std::nullopt);
  }
  DropTimer(slot);
  LogWarning("a slot is lost", {{"slot", slots_[slot].name}, {"error", std::string(reason.message())}});
  CountRestart(slot, PhaseOf(slot) == Phase::kMaking ? "start_failed" : "slot_lost");
  Next(slot, /*at_once=*/false);
}

void Lane::LoseSlot(int slot, const std::string& why) {
  // Whatever is left in it: another will have its uid and its groups.
  if (slots_[slot].group != nullptr) slots_[slot].group->Kill();
  OnSlotGone(slot, absl::DeadlineExceededError(why));
}

void Lane::Finish(int slot, const std::optional<InterpreterEnd>& end) {
  const std::shared_ptr<InterpreterHandle> interpreter = InterpreterOf(slot);
  if (slots_[slot].ended_ns == 0)
    slots_[slot].ended_ns = NowNs();  // one that never was ready has no successor of its own
  BeginEnding(slot);
  const InterpreterHandle::Epitaph epitaph = interpreter->Finish(end);
  DropTimer(slot);  // its last words may have doomed it once more
  {
    absl::MutexLock lock(&mutex_);
    Shared& shared = shared_[slot];
    shared.interpreter = nullptr;
    if (epitaph.lock) {
      if (!shared.past_lock) shared.past_lock = LockUsage{};
      AddTo(&*shared.past_lock, *epitaph.lock);
    }
  }
  if (shut_down_) return Next(slot, /*at_once=*/false);
  CountRestart(slot, epitaph.cause);
  const LogFields fields = {{"slot", slots_[slot].name},
                            {"generation", absl::StrCat(GenerationOf(slot))},
                            {"cause", epitaph.cause},
                            {"what", epitaph.what}};
  if (WorthAWarning(epitaph.cause)) {
    LogWarning("interpreter ended", fields);
  } else {
    LogInfo("interpreter ended", fields);
  }
  Next(slot, epitaph.healthy);
}

void Lane::Next(int slot, bool at_once) {
  DropTimer(slot);
  if (shut_down_) return SetPhase(slot, Phase::kIdle);
  Slot& s = slots_[slot];
  if (at_once) {
    s.back_off_ns = 0;
    // What the kernel killed for want of memory gives it back when it comes to it: the next one must not pay for it.
    constexpr int kLooks = 100;
    if (s.group != nullptr && s.memory_looks < kLooks &&
        s.group->MemoryBytes().value_or(0) > config_.limits.memory_bytes / 2) {
      ++s.memory_looks;
      SetPhase(slot, Phase::kBackingOff);
      return SetTimer(slot, config_.back_off_ns_first, [this, slot] { Next(slot, /*at_once=*/true); });
    }
    s.memory_looks = 0;
    return GoOn(slot);
  }
  s.back_off_ns = std::clamp(s.back_off_ns * 2, config_.back_off_ns_first, config_.back_off_ns_max);
  SetPhase(slot, Phase::kBackingOff);
  SetTimer(slot, s.back_off_ns, [this, slot] { GoOn(slot); });
}

void Lane::GoOn(int slot) {
  Slot& s = slots_[slot];
  if (s.process) return StartInterpreter(slot);
  if (s.group == nullptr || !s.group->Populated()) return MakeSlot(slot);
  // Who is being killed takes a moment.
  s.group->Kill();
  SetPhase(slot, Phase::kBackingOff);
  SetTimer(slot, config_.back_off_ns_first, [this, slot] { GoOn(slot); });
}

// ---- small things ----

void Lane::CountRestart(int slot, const std::string& cause) {
  absl::MutexLock lock(&mutex_);
  ++shared_[slot].restarts[cause];
}

void Lane::SetPhase(int slot, Phase phase) {
  absl::MutexLock lock(&mutex_);
  shared_[slot].phase = phase;
}

Lane::Phase Lane::PhaseOf(int slot) const {
  absl::MutexLock lock(&mutex_);
  return shared_[slot].phase;
}

uint64_t Lane::GenerationOf(int slot) const {
  absl::MutexLock lock(&mutex_);
  return shared_[slot].generation;
}

std::shared_ptr<InterpreterHandle> Lane::InterpreterOf(int slot) const {
  absl::MutexLock lock(&mutex_);
  return shared_[slot].interpreter;
}

void Lane::SetTimer(int slot, int64_t after_ns, std::function<void()> callback) {
  DropTimer(slot);
  slots_[slot].timer = poller_->RunAt(NowNs() + after_ns, std::move(callback));
}

void Lane::DropTimer(int slot) {
  const Poller::TimerId timer = std::exchange(slots_[slot].timer, 0);
  if (timer != 0) poller_->CancelTimer(timer);
}

}  // namespace gild
