#include "server/lane/interpreter_handle.h"

#include <time.h>

#include <algorithm>
#include <cstddef>
#include <utility>

#include "absl/strings/str_cat.h"
#include "google/protobuf/arena.h"
#include "server/base/clock.h"
#include "server/base/errors.h"
#include "server/base/utf8.h"
#include "server/process/slot_process.h"

namespace gild {
namespace {

// A stopped task that has not ended by then may be stuck: no new tasks until it has.
constexpr int64_t kOverdueNs = 100 * kNsPerMs;
// An interpreter that lived so long did not fail to start.
constexpr int64_t kHealthyNs = 1 * kNsPerSecond;
constexpr char kDidNotBegin[] = "it did not begin the task that it had";
// Wall limits that pass so soon after others may be met together, and the more tasks there are to look at, the later.
constexpr int64_t kWallTimerGapNs = 2 * kNsPerMs;
constexpr int64_t kWallTimerGapNsPerTask = kNsPerUs;

// For the arena of one frame: as a rule it needs no more.
struct FrameMemory {
  alignas(std::max_align_t) char block[2 << 10];
};

void SetStart(const Task& task, uint32_t row, internal::StartTask* start_message) {
  internal::StartTask& start = *start_message;
  start.set_serial(task.serial);
  start.set_row(row);
  start.set_code(task.code);
  start.set_file_name(task.name);
  start.set_entry(task.entry);
  for (const Value& argument : task.arguments) {
    internal::Value& value = *start.add_arguments();
    switch (argument.kind) {
      case Value::Kind::kNone: break;
      case Value::Kind::kJson: value.set_json(argument.bytes); break;
      case Value::Kind::kRaw: value.set_raw(argument.bytes); break;
      case Value::Kind::kPickled: value.set_pickled(argument.bytes); break;
    }
  }
  start.set_output_bytes(task.limits.output_bytes);
  start.set_result_bytes(task.limits.result_bytes);
  start.set_end_on_output_overflow(task.limits.end_on_output_overflow);
  start.set_cpu_ns(task.limits.cpu_ns);
  start.set_memory_bytes(task.limits.memory_bytes);
  start.set_scratch_bytes(task.limits.scratch_bytes);
  start.set_scratch_files(task.limits.scratch_files);
  start.set_session(task.session_number);
  for (const File& file : task.files) {
    internal::File& placed = *start.add_files();
    placed.set_path(file.path);
    placed.set_content(file.content);
  }
  for (const std::string& pattern : task.collect) start.add_collect(pattern);
  start.set_profile_lock(task.profile_lock);
}

KnownFunctions::Bounds FunctionBounds(uint64_t session) {
  if (session == 0) return {};
  return {.functions = kSessionFunctionsMax, .bytes = kSessionFunctionsBytesMax};
}

}  // namespace

absl::StatusOr<std::shared_ptr<InterpreterHandle>> InterpreterHandle::Create(Poller* poller, Config config,
                                                                             Events events, ChildEnds* child_ends) {
  absl::StatusOr<std::unique_ptr<PageFile>> page = PageFile::Create(config.threads + config.loop_tasks + config.ahead);
  if (!page.ok()) return page.status();
  absl::StatusOr<UniqueFd> page_copy = (*page)->Duplicate();
  if (!page_copy.ok()) return page_copy.status();
  absl::StatusOr<ChannelEnds> ends = MakeChannelEnds();
  if (!ends.ok()) return ends.status();
  *child_ends = {.channel = std::move(ends->child), .page = *std::move(page_copy)};

  std::shared_ptr<InterpreterHandle> handle(
      new InterpreterHandle(poller, std::move(config), std::move(events), *std::move(page)));
  // Weak: the handle owns the channel.
  const std::weak_ptr<InterpreterHandle> weak = handle;
  Channel::Events hear;
  hear.on_frame = [weak](absl::string_view payload) {
    if (auto self = weak.lock()) self->OnFrame(payload);
  };
  hear.on_closed = [weak](absl::Status reason) {
    if (auto self = weak.lock()) self->OnChannelClosed(std::move(reason));
  };
  hear.on_frames_read = [weak] {
    if (auto self = weak.lock()) self->ReportEnded();
  };
  handle->channel_ = std::make_shared<Channel>(poller, std::move(ends->server), std::move(hear));
  handle->channel_->Start();
  return handle;
}

InterpreterHandle::InterpreterHandle(Poller* poller, Config config, Events events, std::unique_ptr<PageFile> page)
    : poller_(poller), config_(std::move(config)), events_(std::move(events)), page_(std::move(page)) {
  // Low rows first, so that a lightly loaded interpreter touches little of its page.
  for (uint32_t row = page_->rows(); row > 0; --row) free_rows_.push_back(row - 1);
}

int64_t InterpreterHandle::CpuNsOf(int pid) {
  clockid_t clock;
  return clock_getcpuclockid(pid, &clock) == 0 ? ClockNs(clock) : 0;
}

// ---- from any thread ----

bool InterpreterHandle::Run(const std::shared_ptr<const Task>& task) {
  const uint64_t serial = task->serial;
  uint32_t row;
  int64_t sent_ns;
  bool ahead;
  {
    absl::MutexLock lock(&mutex_);
    if (state_ != State::kReady || overdue_ > 0 || silent_ns_ != 0 || free_rows_.empty()) return false;
    row = free_rows_.back();
    free_rows_.pop_back();
    sent_ns = NowNs();
    ahead = alone() && !in_flight_.empty();
    const bool is_new =
        in_flight_.emplace(serial, InFlight{.task = task, .row = row, .sent_ns = sent_ns, .ahead = ahead}).second;
    GILD_CHECK(is_new);
    page_->OfferTask(row, serial);
    if (ahead && patience_timer_ == 0) SetPatienceTimer(sent_ns + config_.ahead_patience_ns);
  }
  if (task->limits.OfSlot()) Narrow(*task);
  // Outside the lock: a frame may be large. An error means that the interpreter is going: Finish ends the task.
  UniqueFd file = SendStart(*task, row);

  StopReason stop;
  {
    absl::MutexLock lock(&mutex_);
    auto found = in_flight_.find(serial);
    if (found == in_flight_.end()) {
      // Ended already, or taken back, and then it is still to be read and passed over.
      if (!ahead) EmptyFrameFile(file);
      return true;
    }
    found->second.handed_over = true;
    found->second.file = std::move(file);
    found->second.wall_over_ns = sent_ns + task->limits.wall_ns;
    if (found->second.wall_over_ns < wall_timer_ns_) SetWallTimer(found->second.wall_over_ns);
    stop = found->second.stop;
  }
  // Asked for while the task was on its way: the order to stop must not overtake the task.
  if (stop != StopReason::kNone && !alone()) SendStop(serial);
  return true;
}

void InterpreterHandle::Narrow(const Task& task) {
  absl::Status kept = absl::UnavailableError("it has no control groups of its own");
  if (config_.narrow) kept = config_.narrow(task.limits);
  // A memory limit is kept by the interpreter as well.
  if (kept.ok() || task.limits.processes == 0) return;
  absl::MutexLock lock(&mutex_);
  if (auto found = in_flight_.find(task.serial); found != in_flight_.end()) {
    found->second.warning = absl::StrCat("limits.processes was not kept by ", config_.name, ": ", kept.message());
  }
}

UniqueFd InterpreterHandle::SendStart(const Task& task, uint32_t row) {
  UniqueFd file;
  FrameMemory memory;
  google::protobuf::Arena arena(memory.block, sizeof memory.block);
  auto& frame = *google::protobuf::Arena::CreateMessage<internal::ToInterpreter>(&arena);
  internal::StartTask& start = *frame.mutable_start();
  SetStart(task, row, &start);
  if (task.function == nullptr) {
    (void)channel_->Send(frame, {}, &file);
    return file;
  }
  start.set_function_sha256(task.function->sha256);
  start.set_pickled_arguments(task.pickled_arguments);
  for (const std::string& buffer : task.buffers) start.add_buffers(buffer);
  absl::MutexLock lock(&functions_mutex_);
  const uint64_t session = task.session_number;
  KnownFunctions& known = functions_.try_emplace(session, FunctionBounds(session)).first->second;
  KnownFunctions::Orders orders = known.Use(*task.function);
  if (orders.send) start.set_pickled_function(task.function->pickled);
  for (std::string& sha256 : orders.forget) start.add_forget_functions_sha256(std::move(sha256));
  (void)channel_->Send(frame, {}, &file);
  return file;
}

int InterpreterHandle::pid() const {
  absl::MutexLock lock(&mutex_);
  return pid_;
}

bool InterpreterHandle::Close() {
  absl::MutexLock lock(&mutex_);
  if (state_ != State::kReady) return false;
  state_ = State::kDoomed;
  return true;
}

bool InterpreterHandle::ForgetSessions(const std::vector<uint64_t>& sessions) {
  {
    absl::MutexLock lock(&mutex_);
    if (state_ == State::kFinished) return false;
    leaving_sessions_.insert(sessions.begin(), sessions.end());
  }
  internal::ToInterpreter frame;
  frame.mutable_forget_sessions()->mutable_sessions()->Assign(sessions.begin(), sessions.end());
  absl::MutexLock lock(&functions_mutex_);
  for (const uint64_t session : sessions) functions_.erase(session);
  (void)channel_->Send(frame);  // an error: it is going, and they with it
  return true;
}

bool InterpreterHandle::Serving(int64_t now_ns) const {
  {
    absl::MutexLock lock(&mutex_);
    if (state_ != State::kReady || overdue_ > 0 || silent_ns_ != 0) return false;
  }
  // One task alone may hold the lock as long as it likes: that is what the CPU lane is for.
  if (alone() || !page_->meter_available()) return true;
  const std::optional<PageFile::Holder> holder = page_->holder(now_ns);
  if (!holder || holder->held_ns < kProbeLimitNs || page_->waiters() == 0) return true;
  // A lone thread keeps the lock although it would let go at once if asked; what tells is that somebody has asked for
  // long.
  const int64_t waited_ns = page_->LongestWaitNs(now_ns);
  return waited_ns != 0 && waited_ns < kProbeLimitNs;
}

Glimpse InterpreterHandle::Peek(uint64_t serial, OutputPoint after) const {
  uint32_t row;
  int64_t output_bytes;
  {
    absl::MutexLock lock(&mutex_);
    auto found = in_flight_.find(serial);
    if (found == in_flight_.end()) return {};
    row = found->second.row;
    output_bytes = found->second.task->limits.output_bytes;
  }
  if (!page_->BeginNs(row, serial)) return {};
  // Outside the lock: it may be a lot.
  Glimpse glimpse = page_->Peek(row, output_bytes, after);
  absl::MutexLock lock(&mutex_);
  // A task leaves before its row is cleared; what was read since may be another's.
  if (!in_flight_.contains(serial)) return {};
  return glimpse;
}

void InterpreterHandle::FillSnapshot(int64_t now_ns, SlotSnapshot* snapshot) const {
  std::optional<PageFile::Holder> holder;
  if (page_->meter_available()) {
    snapshot->lock = page_->InterpreterLock(now_ns);
    snapshot->waiters = page_->waiters();
    holder = page_->holder(now_ns);
  }
  absl::MutexLock lock(&mutex_);
  snapshot->pid = pid_;
  snapshot->running = std::min(static_cast<int>(in_flight_.size()), config_.threads + config_.loop_tasks);
  snapshot->on_loop = on_loop_;
  if (!holder) return;
  snapshot->holder = HolderSnapshot{.held_ns = holder->held_ns};
  auto found = in_flight_.find(holder->serial);
  if (found == in_flight_.end()) return;
  snapshot->holder->task_id = found->second.task->id;
  snapshot->holder->task_name = found->second.task->name;
}

// ---- what the interpreter says ----

void InterpreterHandle::OnFrame(absl::string_view payload) {
  pace_.Read(payload.size());
  FrameMemory memory;
  google::protobuf::Arena arena(memory.block, sizeof memory.block);
  auto& frame = *google::protobuf::Arena::CreateMessage<internal::FromInterpreter>(&arena);
  if (const absl::Status parsed = ParseFromChild(payload, &frame); !parsed.ok()) {
    return Doom(Retirement::kProtocolError, std::string(parsed.message()));
  }
  switch (frame.kind_case()) {
    case internal::FromInterpreter::kReady: return OnReady();
    case internal::FromInterpreter::kFailed: return OnFailed(RepairUtf8(frame.failed().why()));
    case internal::FromInterpreter::kOnLoop: return OnTasksOnLoop(frame.on_loop());
    case internal::FromInterpreter::kSessionsForgotten: return OnSessionsForgotten(frame.sessions_forgotten());
    case internal::FromInterpreter::kEnded: return OnTaskEnded(frame.mutable_ended());
    case internal::FromInterpreter::KIND_NOT_SET: return Doom(Retirement::kProtocolError, "a frame that says nothing");
  }
}

void InterpreterHandle::OnReady() {
  bool again;
  {
    absl::MutexLock lock(&mutex_);
    if (state_ == State::kDoomed || state_ == State::kFinished) return;
    again = state_ == State::kReady;
    if (!again) {
      state_ = State::kReady;
      pid_ = channel_->last_sender_pid();
      ready_ns_ = NowNs();
    }
  }
  if (again) return Doom(Retirement::kProtocolError, "ready a second time");
  // What its predecessor left is gone by now, and was refused the last.
  if (config_.pids_refused) pids_refused_ = config_.pids_refused();
  events_.on_ready();
}

void InterpreterHandle::OnFailed(std::string why) {
  bool late;
  {
    absl::MutexLock lock(&mutex_);
    late = state_ != State::kStarting;
  }
  if (late) return Doom(Retirement::kProtocolError, "it failed to start after it was ready");
  Doom(Retirement::kStartFailed, std::move(why));
}

void InterpreterHandle::OnTasksOnLoop(const internal::TasksOnLoop& on_loop) {
  // Every frame costs it something, or it could send them for ever.
  std::string problem = on_loop.serials().empty() ? "no tasks on its event loop" : "";
  {
    absl::MutexLock lock(&mutex_);
    for (const uint64_t serial : on_loop.serials()) {
      auto found = in_flight_.find(serial);
      if (found == in_flight_.end() || alone() || std::exchange(found->second.on_loop, true)) {
        problem = absl::StrCat("on its event loop: a task that cannot be there: ", serial);
        break;
      }
      ++on_loop_;
    }
  }
  if (!problem.empty()) return Doom(Retirement::kProtocolError, std::move(problem));
  for (const uint64_t serial : on_loop.serials()) events_.on_task_on_loop(serial);
}

void InterpreterHandle::OnSessionsForgotten(const internal::SessionsForgotten& forgotten) {
  size_t gone = 0;
  {
    absl::MutexLock lock(&mutex_);
    for (const uint64_t session : forgotten.sessions()) gone += leaving_sessions_.erase(session);
  }
  if (gone > 0) events_.on_sessions_gone(gone);
  if (gone == 0 || gone < static_cast<size_t>(forgotten.sessions_size())) {
    Doom(Retirement::kProtocolError, "it forgot a session that it was not to forget");
  }
}

void InterpreterHandle::OnTaskEnded(internal::TaskEnded* ended) {
  const uint64_t serial = ended->serial();
  InFlight in_flight;
  std::string problem;
  bool available_again = false;
  std::optional<Retirement> spent;
  {
    absl::MutexLock lock(&mutex_);
    auto found = in_flight_.find(serial);
    problem = found == in_flight_.end() ? absl::StrCat("the end of a task that it does not have: ", serial)
                                        : ProblemOf(*ended, *found->second.task, found->second.stop);
    if (problem.empty()) {
      in_flight = std::move(found->second);
      in_flight_.erase(found);
      ++completed_;
      if (in_flight.on_loop) --on_loop_;
      if (in_flight.overdue) available_again = --overdue_ == 0 && state_ == State::kReady;
      // At once: no task is sent to where another's threads or processes still run.
      if (once()) {
        spent = Retirement::kSpent;  // whatever it left
      } else if (alone() && ended->threads_left() > 0) {
        spent = Retirement::kThreadsLeft;
      } else if (alone() && ended->processes_left()) {
        spent = Retirement::kProcessesLeft;
      } else if (alone() && ended->residue_size() > 0) {
        spent = Retirement::kResidue;
      } else if (ended->spent()) {
        // Of many threads, it says so of what is left when no task runs any more.
        spent = alone()                     ? Retirement::kSpent
                : ended->residue_size() > 0 ? Retirement::kResidue
                                            : Retirement::kProcessesLeft;
      } else if (config_.tasks_max > 0 && completed_ >= static_cast<uint64_t>(config_.tasks_max)) {
        spent = Retirement::kSpent;  // it counts them, too, so that it begins no other
      }
      if (spent && state_ == State::kReady) state_ = State::kDoomed;
    }
  }
  if (!problem.empty()) return Doom(Retirement::kProtocolError, std::move(problem));

  CancelTimers(in_flight);
  const int64_t now_ns = NowNs();
  pace_.Ended(in_flight.sent_ns, ended->end_ns(), now_ns);
  Outcome outcome = ReportedOutcome(ran_in(), in_flight, ended, now_ns);
  const int64_t processes = in_flight.task->limits.processes;
  EndRefused(PidsRefused(*ended), processes > 0 ? processes : config_.pids_allowed, &outcome);
  if (in_flight.task->limits.OfSlot() && config_.widen) config_.widen();
  page_->Clear(in_flight.row);
  EmptyFrameFile(in_flight.file);
  {
    absl::MutexLock lock(&mutex_);
    free_rows_.push_back(in_flight.row);
  }
  if (spent) {
    Doom(*spent);
  } else if (available_again) {
    events_.on_available(true);
  }
  ended_.push_back({serial, std::move(outcome)});
}

uint64_t InterpreterHandle::PidsRefused(const internal::TaskEnded& ended) {
  // To ask costs something, so only when there may be an answer.
  if (!config_.pids_refused || (ended.starts_refused() == 0 && !config_.starts_processes)) return 0;
  const uint64_t before = std::exchange(pids_refused_, config_.pids_refused());
  const uint64_t refused = pids_refused_ - std::min(before, pids_refused_);
  // Among many tasks at once, the one that says so.
  return alone() || ended.starts_refused() > 0 ? refused : 0;
}

void InterpreterHandle::ReportEnded() {
  if (ended_.empty()) return;
  // As many will come again.
  std::vector<EndedTask> ended;
  ended.reserve(ended_.size());
  ended.swap(ended_);
  events_.on_tasks_ended(std::move(ended));
  if (!alone()) return;
  size_t ready;
  {
    absl::MutexLock lock(&mutex_);
    ready = in_flight_.size() - std::min<size_t>(1, in_flight_.size());
  }
  if (const int64_t rest_ns = pace_.RestNs(ready); rest_ns > 0) channel_->RestUntil(NowNs() + rest_ns);
}

void InterpreterHandle::OnChannelClosed(absl::Status reason) {
  bool silent;
  {
    absl::MutexLock lock(&mutex_);
    if (silent_ns_ == 0) silent_ns_ = NowNs();
    silent = state_ == State::kStarting || state_ == State::kReady;
  }
  if (!reason.ok()) return Doom(Retirement::kProtocolError, std::string(reason.message()));
  if (silent) events_.on_silent();
}

// ---- stopping ----

Poller::TimerId InterpreterHandle::After(int64_t when_ns, void (InterpreterHandle::*then)(uint64_t), uint64_t serial) {
  return poller_->RunAt(when_ns, [weak = weak_from_this(), then, serial] {
    if (auto self = weak.lock()) (self.get()->*then)(serial);
  });
}

void InterpreterHandle::CancelTimers(const InFlight& in_flight) {
  for (const Poller::TimerId timer : {in_flight.overdue_timer, in_flight.grace_timer}) {
    if (timer != 0) poller_->CancelTimer(timer);
  }
}

void InterpreterHandle::OnWallTimer() {
  // Their ends may lie there already.
  channel_->ReadAvailable();
  std::vector<uint64_t> over;
  {
    absl::MutexLock lock(&mutex_);
    // It may have been set anew since this one was due.
    if (wall_timer_ != 0) poller_->CancelTimer(wall_timer_);
    wall_timer_ = 0;
    wall_timer_ns_ = INT64_MAX;
    const int64_t now_ns = NowNs();
    int64_t next_ns = INT64_MAX;
    for (const auto& [serial, task] : in_flight_) {
      if (!task.handed_over || task.stop != StopReason::kNone) continue;
      if (task.wall_over_ns <= now_ns) {
        over.push_back(serial);
      } else {
        next_ns = std::min(next_ns, task.wall_over_ns);
      }
    }
    const int64_t gap_ns = kWallTimerGapNs + static_cast<int64_t>(in_flight_.size()) * kWallTimerGapNsPerTask;
    if (next_ns != INT64_MAX) SetWallTimer(std::max(next_ns, now_ns + gap_ns));
  }
  for (const uint64_t serial : over) Stop(serial, StopReason::kTimedOut);
}

void InterpreterHandle::SetWallTimer(int64_t when_ns) {
  if (wall_timer_ != 0) poller_->CancelTimer(wall_timer_);
  wall_timer_ns_ = when_ns;
  wall_timer_ = poller_->RunAt(when_ns, [weak = weak_from_this()] {
    if (auto self = weak.lock()) self->OnWallTimer();
  });
}

bool InterpreterHandle::Stop(uint64_t serial, StopReason reason) {
  // Its end may lie there already: not worth an interpreter, and what runs in it by now.
  if (alone()) channel_->ReadAvailable();
  bool handed_over;
  bool stuck = false;
  std::optional<InFlight> taken_back;
  {
    absl::MutexLock lock(&mutex_);
    auto found = in_flight_.find(serial);
    if (found == in_flight_.end()) return false;
    InFlight& in_flight = found->second;
    // What ends it already is the reason to keep.
    if (in_flight.stop != StopReason::kNone || state_ != State::kReady || silent_ns_ != 0) return true;
    // Its time has passed, and nothing of it has begun, although nothing is before it: not its own doing.
    stuck = reason == StopReason::kTimedOut && in_flight.handed_over && !std::exchange(in_flight.ahead, true);
    taken_back = TakeBack(found);
    stuck = stuck && taken_back;
    if (stuck) state_ = State::kDoomed;  // at once, or it would come here again
    if (!taken_back) in_flight.stop = reason;
    handed_over = !taken_back && in_flight.handed_over;
    if (!alone() && !taken_back) {
      const int64_t now_ns = NowNs();
      in_flight.overdue_timer = After(now_ns + kOverdueNs, &InterpreterHandle::OnOverdue, serial);
      in_flight.grace_timer = After(now_ns + config_.stop_grace_ns, &InterpreterHandle::OnGracePassed, serial);
    }
  }
  if (taken_back) {
    // Cancelled, or in line for so long that its time passed: not its interpreter's business.
    Return(absl::MakeConstSpan(&*taken_back, 1));
    if (stuck) Doom(Retirement::kRestless, kDidNotBegin);
  } else if (alone()) {
    Doom(reason == StopReason::kCancelled ? Retirement::kCancelled : Retirement::kTimedOut, "", serial);
  } else if (handed_over) {
    SendStop(serial);
  }
  return true;
}

std::optional<InFlight> InterpreterHandle::TakeBack(InFlights::iterator task) {
  const uint32_t row = task->second.row;
  if (!task->second.ahead || !page_->TakeBack(row, task->first)) return std::nullopt;
  InFlight taken = std::move(task->second);
  in_flight_.erase(task);
  free_rows_.push_back(row);
  return taken;
}

std::vector<InFlight> InterpreterHandle::TakeBackAll() {
  std::vector<InFlight> taken;
  for (auto task = in_flight_.begin(); task != in_flight_.end();) {
    if (std::optional<InFlight> mine = TakeBack(task++)) taken.push_back(*std::move(mine));
  }
  return taken;
}

void InterpreterHandle::Return(absl::Span<const InFlight> tasks) {
  std::vector<uint64_t> serials;
  for (const InFlight& task : tasks) {
    CancelTimers(task);
    serials.push_back(task.task->serial);
  }
  if (!serials.empty()) events_.on_tasks_returned(std::move(serials));
}

void InterpreterHandle::OnPatienceOver() {
  std::vector<InFlight> taken;
  {
    absl::MutexLock lock(&mutex_);
    patience_timer_ = 0;
    const int64_t now_ns = NowNs();
    int64_t next_ns = INT64_MAX;
    for (auto task = in_flight_.begin(); task != in_flight_.end();) {
      const auto here = task++;
      if (!here->second.ahead) continue;
      const int64_t over_ns = here->second.sent_ns + config_.ahead_patience_ns;
      if (over_ns > now_ns) {
        next_ns = std::min(next_ns, over_ns);
      } else if (std::optional<InFlight> mine = TakeBack(here)) {
        taken.push_back(*std::move(mine));
      } else {
        here->second.ahead = false;  // it has begun
      }
    }
    if (next_ns != INT64_MAX) SetPatienceTimer(next_ns);
  }
  Return(taken);
}

void InterpreterHandle::SetPatienceTimer(int64_t when_ns) {
  patience_timer_ = poller_->RunAt(when_ns, [weak = weak_from_this()] {
    if (auto self = weak.lock()) self->OnPatienceOver();
  });
}

void InterpreterHandle::SendStop(uint64_t serial) {
  internal::ToInterpreter frame;
  frame.mutable_stop()->set_serial(serial);
  (void)channel_->Send(frame);  // an error: it is going anyway
}

void InterpreterHandle::OnOverdue(uint64_t serial) {
  bool first;
  {
    absl::MutexLock lock(&mutex_);
    auto found = in_flight_.find(serial);
    if (found == in_flight_.end()) return;
    found->second.overdue = true;
    first = ++overdue_ == 1 && state_ == State::kReady;
  }
  if (first) events_.on_available(false);
}

void InterpreterHandle::OnGracePassed(uint64_t serial) {
  channel_->ReadAvailable();
  StopReason stop;
  {
    absl::MutexLock lock(&mutex_);
    auto found = in_flight_.find(serial);
    if (found == in_flight_.end()) return;
    stop = found->second.stop;
  }
  Doom(stop == StopReason::kCancelled ? Retirement::kCancelled : Retirement::kTimedOut, "", serial);
}

// ---- looking after it ----

void InterpreterHandle::Inspect() {
  // What it has said counts, also when nobody has read it yet.
  channel_->ReadAvailable();
  const int64_t now_ns = NowNs();
  Inspected now{.at_ns = now_ns};
  int pid;
  int64_t cpu_limit_ns = 0;
  bool idle;
  std::optional<InFlight> stuck;
  {
    absl::MutexLock lock(&mutex_);
    if (state_ != State::kReady || silent_ns_ != 0) return;
    pid = pid_;
    stuck = TakeStuck(now_ns);
    if (stuck) state_ = State::kDoomed;  // at once, or it would come here again
    now.completed = completed_;
    idle = in_flight_.empty();
    for (const auto& [serial, task] : in_flight_) {
      if (!page_->BeginNs(task.row, serial)) continue;
      now.serial = serial;
      cpu_limit_ns = task.task->limits.cpu_ns;
    }
  }
  if (stuck) {
    Return(absl::MakeConstSpan(&*stuck, 1));
    return Doom(Retirement::kRestless, kDidNotBegin);
  }
  if (!alone()) return;  // busy is what it may always be, with threads that tasks have left
  now.cpu_ns = config_.cpu_ns_of(pid);
  const Inspected before = std::exchange(inspected_, now);
  if (before.at_ns == 0 || before.serial != now.serial || before.completed != now.completed) return;
  const int64_t used_ns = now.cpu_ns - before.cpu_ns;
  if (idle && used_ns * 2 > now_ns - before.at_ns) {
    return Doom(Retirement::kRestless, "it was busy without a task");
  }
  inspected_.task_cpu_ns = before.task_cpu_ns + used_ns;
  // Its own limit comes first, and ends it at the very moment.
  if (cpu_limit_ns > 0 && inspected_.task_cpu_ns > cpu_limit_ns + kInspectNs) {
    Doom(Retirement::kCpuLimit, "", now.serial);
  }
}

std::optional<InFlight> InterpreterHandle::TakeStuck(int64_t now_ns) {
  // Alone, one waits for another. Among many, each is claimed at once: by a thread that never has the lock.
  const auto begun = [this](const auto& task) { return page_->BeginNs(task.second.row, task.first).has_value(); };
  if (alone() && std::any_of(in_flight_.begin(), in_flight_.end(), begun)) return std::nullopt;
  for (auto task = in_flight_.begin(); task != in_flight_.end(); ++task) {
    InFlight& first = task->second;
    if (first.ahead || !first.handed_over || now_ns - first.sent_ns < config_.begin_limit_ns) continue;
    first.ahead = true;  // so that it can be taken back
    if (std::optional<InFlight> stuck = TakeBack(task)) return stuck;
    first.ahead = false;
  }
  return std::nullopt;
}

void InterpreterHandle::Doom(Retirement retirement, std::string detail, uint64_t culprit) {
  std::vector<InFlight> taken;
  {
    absl::MutexLock lock(&mutex_);
    if (state_ == State::kFinished || retirement_) return;
    state_ = State::kDoomed;
    retirement_ = retirement;
    detail_ = std::move(detail);
    culprit_ = culprit;
    // Now, and not when it is dead: it lives on for a moment, and must not begin what would die with it.
    taken = TakeBackAll();
  }
  // What else it says is of no interest.
  if (retirement == Retirement::kProtocolError) channel_->Close();
  events_.on_doomed();
  Return(taken);
}

// ---- the end ----

InterpreterHandle::Epitaph InterpreterHandle::Finish(const std::optional<InterpreterEnd>& end) {
  {
    // Its last words are about its tasks; it is not ready any more, whatever it says.
    absl::MutexLock lock(&mutex_);
    GILD_CHECK(state_ != State::kFinished);
    state_ = State::kDoomed;
  }
  channel_->ReadAvailable();
  channel_->Close();

  InFlights in_flight;
  std::vector<InFlight> returned;
  std::set<uint64_t> leaving_sessions;
  InterpreterDeath death{.interpreter = config_.name, .alone = alone(), .end = end, .note = page_->death_note()};
  Epitaph epitaph;
  bool was_ready;
  const int64_t now_ns = NowNs();
  {
    absl::MutexLock lock(&mutex_);
    state_ = State::kFinished;
    if (wall_timer_ != 0) poller_->CancelTimer(wall_timer_);
    returned = TakeBackAll();
    in_flight.swap(in_flight_);
    leaving_sessions.swap(leaving_sessions_);
    death.at_ns = silent_ns_ != 0 ? silent_ns_ : now_ns;
    death.retirement = retirement_;
    death.detail = detail_;
    death.culprit = culprit_;
    was_ready = ready_ns_ != 0;
    epitaph.healthy =
        was_ready && (completed_ > 0 || death.at_ns - ready_ns_ >= kHealthyNs || retirement_ == Retirement::kPrincipal);
  }
  if (auto culprit = in_flight.find(CulpritOf(death)); culprit != in_flight.end()) {
    death.culprit_name = absl::StrCat("'", culprit->second.task->name, "' (", culprit->second.task->id, ")");
  }

  std::vector<EndedTask> outcomes;
  for (const auto& [serial, task] : in_flight) {
    CancelTimers(task);
    // What a task did to its interpreter says nothing about the next one's start.
    if (page_->BeginNs(task.row, serial)) epitaph.healthy = true;
    outcomes.push_back({serial, KilledOutcome(ran_in(), task, death)});
  }
  std::optional<Ending> only_task_ended;
  if (alone() && outcomes.size() == 1) only_task_ended = outcomes.front().outcome.ending;
  epitaph.cause = RestartCause(death, was_ready, only_task_ended);
  if (page_->meter_available()) epitaph.lock = page_->InterpreterLock(death.at_ns);
  epitaph.what = end ? DescribeWaitStatus(end->wait_status) : "not reaped";
  if (!death.detail.empty()) absl::StrAppend(&epitaph.what, ", ", death.detail);

  if (!outcomes.empty()) events_.on_tasks_ended(std::move(outcomes));
  Return(returned);
  if (!leaving_sessions.empty()) events_.on_sessions_gone(leaving_sessions.size());
  return epitaph;
}

}  // namespace gild
