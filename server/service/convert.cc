#include "server/service/convert.h"

#include <google/protobuf/any.pb.h>

#include <algorithm>
#include <initializer_list>
#include <optional>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "server/base/ids.h"
#include "server/base/utf8.h"
#include "server/task/file_path.h"

namespace gild {
namespace {

constexpr char kDomain[] = "gild";

void SetDuration(int64_t ns, google::protobuf::Duration* duration) {
  duration->set_seconds(ns / kNsPerSecond);
  duration->set_nanos(static_cast<int32_t>(ns % kNsPerSecond));
}

uint64_t NotNegative(int64_t value) { return value < 0 ? 0 : static_cast<uint64_t>(value); }

// ---- wire -> domain ----

// Turns wire limits into domain ones; keeps the first error and all warnings.
class LimitReader {
 public:
  // Absent or zero: `otherwise`. Above the ceiling: the ceiling.
  int64_t Ns(const char* field, bool present, const google::protobuf::Duration& wire, int64_t otherwise,
             int64_t ceiling) {
    if (!present) return otherwise;
    constexpr int32_t kNanosMax = kNsPerSecond - 1;
    if (wire.nanos() < -kNanosMax || wire.nanos() > kNanosMax || (wire.seconds() > 0 && wire.nanos() < 0) ||
        (wire.seconds() < 0 && wire.nanos() > 0)) {
      return Fail(field, "is not a valid duration");
    }
    if (wire.seconds() < 0 || wire.nanos() < 0) return Fail(field, "is negative");
    if (wire.seconds() == 0 && wire.nanos() == 0) return otherwise;
    // Compared in seconds first: the sum in nanoseconds could overflow.
    if (wire.seconds() > ceiling / kNsPerSecond || wire.seconds() * kNsPerSecond + wire.nanos() > ceiling) {
      Lowered(field, absl::StrCat(wire.seconds(), " s"), absl::StrCat(ceiling / kNsPerSecond, " s"));
      return ceiling;
    }
    return wire.seconds() * kNsPerSecond + wire.nanos();
  }

  int64_t Bytes(const char* field, uint64_t wire, int64_t otherwise, int64_t ceiling) {
    return Amount(field, wire, otherwise, ceiling, " bytes");
  }
  int64_t Count(const char* field, uint64_t wire, int64_t otherwise, int64_t ceiling) {
    return Amount(field, wire, otherwise, ceiling, "");
  }

  int64_t Fail(const char* field, const char* description) {
    if (!error_) error_ = InvalidField{.field = absl::StrCat("task.limits.", field), .description = description};
    return 0;
  }

  std::optional<InvalidField> error() const { return error_; }
  std::vector<std::string> TakeWarnings() { return std::move(warnings_); }

 private:
  int64_t Amount(const char* field, uint64_t wire, int64_t otherwise, int64_t ceiling, const char* unit) {
    if (wire == 0) return otherwise;
    if (wire > static_cast<uint64_t>(ceiling)) {
      Lowered(field, absl::StrCat(wire, unit), absl::StrCat(ceiling, unit));
      return ceiling;
    }
    return static_cast<int64_t>(wire);
  }

  void Lowered(const char* field, const std::string& from, const std::string& to) {
    warnings_.push_back(absl::StrCat("limits.", field, " lowered from ", from, " to the server's ceiling of ", to));
  }

  std::optional<InvalidField> error_;
  std::vector<std::string> warnings_;
};

bool IsPrintableAscii(absl::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c <= 0x7e; });
}

// `a.b.c`, each part an identifier. Beyond ASCII Python knows best, and says so when the entry is looked up.
bool IsDottedIdentifier(absl::string_view text) {
  bool starts = true;
  for (const char c : text) {
    const bool letter =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || static_cast<unsigned char>(c) >= 0x80;
    const bool digit = c >= '0' && c <= '9';
    if (c == '.') {
      if (starts) return false;
    } else if (!letter && !(digit && !starts)) {
      return false;
    }
    starts = c == '.';
  }
  return !starts;
}

std::optional<InvalidField> ReadSource(v1::Source* wire, Task* task) {
  if (wire->code().empty()) return InvalidField{"task.source.code", "is empty"};
  if (static_cast<int64_t>(wire->code().size()) > kCodeBytesMax) {
    return InvalidField{"task.source.code", absl::StrCat("is longer than ", kCodeBytesMax, " bytes")};
  }
  if (static_cast<int64_t>(wire->entry().size()) > kEntryBytesMax) {
    return InvalidField{"task.source.entry", absl::StrCat("is longer than ", kEntryBytesMax, " bytes")};
  }
  if (!wire->entry().empty() && !IsDottedIdentifier(wire->entry())) {
    return InvalidField{"task.source.entry", "is not a (dotted) Python name"};
  }
  if (wire->entry().empty() && wire->arguments_size() > 0) {
    return InvalidField{"task.source.arguments", "are given without an entry to call with them"};
  }
  if (wire->arguments_size() > kArgumentsMax) {
    return InvalidField{"task.source.arguments", absl::StrCat("are more than ", kArgumentsMax)};
  }
  task->arguments.reserve(wire->arguments_size());
  for (int i = 0; i < wire->arguments_size(); ++i) {
    v1::Value* const argument = wire->mutable_arguments(i);
    switch (argument->kind_case()) {
      case v1::Value::kJson:
        task->arguments.push_back({Value::Kind::kJson, std::move(*argument->mutable_json())});
        break;
      case v1::Value::kRaw: task->arguments.push_back({Value::Kind::kRaw, std::move(*argument->mutable_raw())}); break;
      case v1::Value::kPickled:
      case v1::Value::KIND_NOT_SET:
        return InvalidField{absl::StrCat("task.source.arguments[", i, "]"), "has neither json nor raw"};
    }
  }
  task->code = std::move(*wire->mutable_code());
  task->entry = std::move(*wire->mutable_entry());
  return std::nullopt;
}

std::optional<InvalidField> ReadTag(const v1::Task& wire, Task* task) {
  switch (wire.tag()) {
    case v1::AUTO:
      // Nothing is known of the code yet; in the CPU lane it can stall nobody.
      task->tag = Tag::kAuto;
      task->lane = LaneKind::kCpu;
      return std::nullopt;
    case v1::IO:
      task->tag = Tag::kIo;
      task->lane = LaneKind::kIo;
      return std::nullopt;
    case v1::CPU:
      task->tag = Tag::kCpu;
      task->lane = LaneKind::kCpu;
      return std::nullopt;
    default:  // the wire's enums are open
      return InvalidField{"task.tag", absl::StrCat("is ", wire.tag(), ", not one of AUTO, IO, CPU")};
  }
}

std::optional<InvalidField> ReadLimits(const v1::Limits& wire, int64_t memory_bytes_max, Task* task) {
  LimitReader reader;
  Limits& limits = task->limits;
  limits.wall_ns = reader.Ns("wall", wire.has_wall(), wire.wall(), kWallNsDefault, kWallNsMax);
  limits.queue_ns = reader.Ns("queue", wire.has_queue(), wire.queue(), kQueueNsDefault, kQueueNsMax);
  limits.cpu_ns = reader.Ns("cpu", wire.has_cpu(), wire.cpu(), 0, kWallNsMax);
  limits.memory_bytes = reader.Bytes("memory_bytes", wire.memory_bytes(), 0, memory_bytes_max);
  limits.output_bytes = reader.Bytes("output_bytes", wire.output_bytes(), kOutputBytesDefault, kOutputBytesMax);
  limits.result_bytes = reader.Bytes("result_bytes", wire.result_bytes(), kResultBytesDefault, kResultBytesMax);
  limits.processes = reader.Count("processes", wire.processes(), 0, kTaskProcessesMax);
  limits.scratch_bytes = reader.Bytes("scratch_bytes", wire.scratch_bytes(), 0, kScratchBytes);
  limits.scratch_files = reader.Count("scratch_files", wire.scratch_files(), 0, kScratchInodes);
  switch (wire.output_overflow()) {
    case v1::TRUNCATE: limits.end_on_output_overflow = false; break;
    case v1::END_TASK: limits.end_on_output_overflow = true; break;
    default: reader.Fail("output_overflow", "is neither TRUNCATE nor END_TASK");
  }
  if (task->lane == LaneKind::kIo) {
    constexpr char kCpuOnly[] = "needs an interpreter of its own: use tag CPU";
    if (limits.cpu_ns != 0) reader.Fail("cpu", kCpuOnly);
    if (limits.memory_bytes != 0) reader.Fail("memory_bytes", kCpuOnly);
    if (limits.processes != 0) reader.Fail("processes", kCpuOnly);
    if (limits.scratch_bytes != 0) reader.Fail("scratch_bytes", kCpuOnly);
    if (limits.scratch_files != 0) reader.Fail("scratch_files", kCpuOnly);
  }
  for (std::string& warning : reader.TakeWarnings()) task->warnings.push_back(std::move(warning));
  return reader.error();
}

std::optional<InvalidField> ReadLabels(v1::Task* wire, Task* task) {
  if (static_cast<int64_t>(wire->name().size()) > kNameBytesMax) {
    return InvalidField{"task.name", absl::StrCat("is longer than ", kNameBytesMax, " bytes")};
  }
  if (!IsPrintableAscii(wire->name())) return InvalidField{"task.name", "is not printable ASCII"};
  if (static_cast<int64_t>(wire->session().size()) > kSessionBytesMax) {
    return InvalidField{"task.session", absl::StrCat("is longer than ", kSessionBytesMax, " bytes")};
  }
  if (!IsPrintableAscii(wire->session())) return InvalidField{"task.session", "is not printable ASCII"};
  task->name = std::move(*wire->mutable_name());
  task->session = std::move(*wire->mutable_session());
  if (!task->session.empty() && task->lane == LaneKind::kCpu) {
    task->warnings.push_back("task.session has no meaning in the CPU lane: the task shares no globals (use tag IO)");
  }
  return std::nullopt;
}

std::optional<InvalidField> ReadFiles(v1::Task* wire, Task* task) {
  if (wire->files_size() > kFilesMax) return InvalidField{"task.files", absl::StrCat("are more than ", kFilesMax)};
  int64_t bytes = 0;
  std::vector<absl::string_view> paths;
  for (int i = 0; i < wire->files_size(); ++i) {
    const v1::File& file = wire->files(i);
    const std::string problem = ProblemOfPath(file.path());
    if (!problem.empty()) return InvalidField{absl::StrCat("task.files[", i, "].path"), problem};
    bytes += static_cast<int64_t>(file.content().size());
    if (bytes > kFilesBytesMax) {
      return InvalidField{"task.files", absl::StrCat("are larger than ", kFilesBytesMax, " bytes together")};
    }
    paths.push_back(file.path());
  }
  if (const std::optional<PathClash> clash = ClashOf(paths)) {
    return InvalidField{absl::StrCat("task.files[", clash->index, "].path"), clash->problem};
  }
  if (wire->collect_size() > kCollectMax) {
    return InvalidField{"task.collect", absl::StrCat("are more than ", kCollectMax)};
  }
  for (int i = 0; i < wire->collect_size(); ++i) {
    const std::string problem = ProblemOfPath(wire->collect(i));
    if (!problem.empty()) return InvalidField{absl::StrCat("task.collect[", i, "]"), problem};
  }
  task->files.reserve(wire->files_size());
  for (v1::File& file : *wire->mutable_files()) {
    task->files.push_back({std::move(*file.mutable_path()), std::move(*file.mutable_content())});
  }
  for (std::string& pattern : *wire->mutable_collect()) task->collect.push_back(std::move(pattern));
  return std::nullopt;
}

// ---- domain -> wire ----

void ToWire(Value value, v1::Value* wire) {
  switch (value.kind) {
    case Value::Kind::kNone: break;
    case Value::Kind::kJson: wire->set_json(RepairUtf8(value.bytes)); break;
    case Value::Kind::kRaw: wire->set_raw(std::move(value.bytes)); break;
    case Value::Kind::kPickled: wire->set_pickled(std::move(value.bytes)); break;
  }
}

void ToWire(const Evidence& evidence, v1::Evidence* wire) {
  if (!evidence.detail.empty()) wire->set_detail(RepairUtf8(evidence.detail));
  if (evidence.exit_code) wire->set_exit_code(*evidence.exit_code);
  if (evidence.signal) wire->set_signal(*evidence.signal);
  if (!evidence.limit.empty()) wire->set_limit(evidence.limit);
  if (evidence.allowed) wire->set_allowed(NotNegative(*evidence.allowed));
  if (evidence.used) wire->set_used(NotNegative(*evidence.used));
  wire->set_safe_to_retry(evidence.safe_to_retry);
}

void ToWire(const Usage& usage, v1::Usage* wire) {
  SetDuration(usage.queue_ns, wire->mutable_queue());
  if (usage.dispatch_ns) SetDuration(*usage.dispatch_ns, wire->mutable_dispatch());
  if (usage.run_ns) SetDuration(*usage.run_ns, wire->mutable_run());
  if (usage.cpu_ns) SetDuration(*usage.cpu_ns, wire->mutable_cpu());
  if (usage.cpu_wait_ns) SetDuration(*usage.cpu_wait_ns, wire->mutable_cpu_wait());
  if (usage.loop_wait_ns) SetDuration(*usage.loop_wait_ns, wire->mutable_loop_wait());
  if (usage.peak_memory_bytes) wire->set_peak_memory_bytes(NotNegative(*usage.peak_memory_bytes));
  if (usage.core) wire->set_core(*usage.core);
  wire->set_interpreter(usage.interpreter);
}

void ToWire(const LockUsage& lock, v1::LockUsage* wire) {
  SetDuration(lock.wait_ns, wire->mutable_wait());
  SetDuration(lock.hold_ns, wire->mutable_hold());
  wire->set_takes(lock.takes);
  wire->set_contended_takes(lock.contended_takes);
  wire->set_forced_releases(lock.forced_releases);
  SetDuration(lock.longest_hold_ns, wire->mutable_longest_hold());
}

void ToWire(FunctionHold hold, v1::FunctionHold* wire) {
  wire->set_function(std::move(hold.function));
  wire->set_file(std::move(hold.file));
  wire->set_line(hold.line);
  SetDuration(hold.hold_ns, wire->mutable_hold());
  wire->set_calls(hold.calls);
}

void ToWire(const SlotSnapshot& slot, v1::InterpreterStats* wire) {
  wire->set_slot(slot.slot);
  wire->set_lane(ToWire(slot.lane));
  wire->set_state(ToWire(slot.state));
  wire->set_generation(slot.generation);
  wire->set_pid(slot.pid);
  wire->set_running(slot.running);
  wire->set_on_loop(slot.on_loop);
  wire->set_capacity(slot.capacity);
  if (slot.lock) {
    ToWire(*slot.lock, wire->mutable_lock());
    wire->set_waiters(slot.waiters);
  }
  if (slot.holder) {
    wire->mutable_holder()->set_task_id(slot.holder->task_id);
    wire->mutable_holder()->set_task_name(slot.holder->task_name);
    SetDuration(slot.holder->held_ns, wire->mutable_holder()->mutable_held_for());
  }
  if (slot.replaced_in_ns) SetDuration(*slot.replaced_in_ns, wire->mutable_replaced_in());
  for (const auto& [cause, count] : slot.restarts) {
    if (count == 0) continue;
    v1::RestartCount* const restarts = wire->add_restarts();
    restarts->set_cause(cause);
    restarts->set_restarts(count);
  }
  for (const auto& [name, count] : slot.denied) {
    v1::DeniedCount* const denied = wire->add_denied_syscalls();
    denied->set_syscall(RepairUtf8(name));
    denied->set_times(count);
  }
}

void ToWire(const LaneSnapshot& lane, v1::LaneStats* wire) {
  wire->set_lane(ToWire(lane.lane));
  wire->set_serving(lane.serving);
  wire->set_queued(lane.queued);
  wire->set_queued_bytes(NotNegative(lane.queued_bytes));
  wire->set_running(lane.running);
  for (const auto& [ending, count] : lane.endings) {
    v1::EndingCount* const endings = wire->add_endings();
    endings->set_ending(ToWire(ending));
    endings->set_tasks(count);
  }
}

void ToWire(const SessionSnapshot& session, v1::SessionStats* wire) {
  wire->set_session(session.session);
  wire->set_slot(session.slot);
  wire->set_tasks(session.tasks);
  wire->set_active(session.active);
  if (session.idle_ns) SetDuration(*session.idle_ns, wire->mutable_idle());
}

// ---- errors ----

grpc::Status MakeStatus(grpc::StatusCode code, const std::string& message,
                        std::initializer_list<const google::protobuf::Message*> details) {
  google::rpc::Status status;
  status.set_code(code);
  status.set_message(message);
  for (const google::protobuf::Message* detail : details) status.add_details()->PackFrom(*detail);
  return grpc::Status(code, message, status.SerializeAsString());
}

}  // namespace

std::variant<Task, InvalidField, MissingFunction> TaskFromWire(v1::Task&& wire, FunctionStore* functions,
                                                               int64_t memory_bytes_max) {
  Task task;
  task.id = NewTaskId();
  switch (wire.body_case()) {
    case v1::Task::kSource:
    case v1::Task::kFunction: break;
    case v1::Task::BODY_NOT_SET: return InvalidField{"task.source", "is missing: a task needs a body"};
  }
  if (auto invalid = ReadTag(wire, &task)) return *invalid;
  if (auto invalid = ReadLabels(&wire, &task)) return *invalid;
  if (auto invalid = ReadLimits(wire.limits(), memory_bytes_max, &task)) return *invalid;
  if (auto invalid = ReadFiles(&wire, &task)) return *invalid;
  task.allow_subprocess = wire.allow_subprocess();
  if (task.allow_subprocess && task.lane == LaneKind::kIo && !task.session.empty()) {
    return InvalidField{"task.allow_subprocess", "not beside task.session: sessions live in interpreters without it"};
  }
  switch (wire.isolation()) {
    case v1::ISOLATION_UNSPECIFIED:
    case v1::SHARED: break;
    case v1::FRESH: task.fresh = true; break;
    default: return InvalidField{"task.isolation", "is none that this server knows"};
  }
  if (task.fresh && task.lane == LaneKind::kIo) {
    return InvalidField{"task.isolation", "FRESH needs an interpreter of its own: use tag CPU"};
  }
  task.profile_lock = wire.profile_lock();
  if (task.profile_lock && task.lane == LaneKind::kIo) {
    return InvalidField{"task.profile_lock", "needs an interpreter of its own: use tag CPU"};
  }
  if (wire.has_function()) {
    const std::string& sha256 = wire.function().function_sha256();
    if (sha256.size() != kSha256Bytes) return InvalidField{"task.function.function_sha256", "is not 32 bytes long"};
    task.function = functions->Find(sha256);
    if (task.function == nullptr) return MissingFunction{sha256};
    task.pickled_arguments = std::move(*wire.mutable_function()->mutable_pickled_arguments());
    if (task.name.empty()) task.name = absl::StrCat("function-", absl::BytesToHexString(sha256.substr(0, 4)));
    return task;
  }
  if (auto invalid = ReadSource(wire.mutable_source(), &task)) return *invalid;
  if (task.name.empty()) {
    // An entry beyond ASCII or beyond a name's length is no label.
    const bool fits = static_cast<int64_t>(task.entry.size()) <= kNameBytesMax && IsPrintableAscii(task.entry);
    task.name = task.entry.empty() || !fits ? "script" : task.entry;
  }
  return task;
}

v1::Tag ToWire(Tag tag) {
  switch (tag) {
    case Tag::kAuto: return v1::AUTO;
    case Tag::kIo: return v1::IO;
    case Tag::kCpu: return v1::CPU;
  }
  return v1::AUTO;
}

v1::Lane ToWire(LaneKind lane) {
  switch (lane) {
    case LaneKind::kIo: return v1::IO_LANE;
    case LaneKind::kCpu: return v1::CPU_LANE;
  }
  return v1::NO_LANE;
}

v1::Ending ToWire(Ending ending) {
  switch (ending) {
    case Ending::kSucceeded: return v1::SUCCEEDED;
    case Ending::kRaised: return v1::RAISED;
    case Ending::kExited: return v1::EXITED;
    case Ending::kCrashed: return v1::CRASHED;
    case Ending::kTimedOut: return v1::TIMED_OUT;
    case Ending::kCpuLimit: return v1::CPU_LIMIT;
    case Ending::kMemoryLimit: return v1::MEMORY_LIMIT;
    case Ending::kOutputLimit: return v1::OUTPUT_LIMIT;
    case Ending::kResultLimit: return v1::RESULT_LIMIT;
    case Ending::kCancelled: return v1::CANCELLED;
    case Ending::kExpired: return v1::EXPIRED;
    case Ending::kInterpreterLost: return v1::INTERPRETER_LOST;
    case Ending::kProtocolError: return v1::PROTOCOL_ERROR;
    case Ending::kProcessLimit: return v1::PROCESS_LIMIT;
    case Ending::kScratchLimit: return v1::SCRATCH_LIMIT;
  }
  return v1::ENDING_UNSPECIFIED;
}

v1::InterpreterStats::State ToWire(InterpreterState state) {
  switch (state) {
    case InterpreterState::kStarting: return v1::InterpreterStats::STARTING;
    case InterpreterState::kReady: return v1::InterpreterStats::READY;
    case InterpreterState::kStopping: return v1::InterpreterStats::STOPPING;
    case InterpreterState::kBackingOff: return v1::InterpreterStats::BACKING_OFF;
  }
  return v1::InterpreterStats::STATE_UNSPECIFIED;
}

v1::Verdict::Kind ToWire(Verdict::Kind kind) {
  switch (kind) {
    case Verdict::Kind::kLockBound: return v1::Verdict::LOCK_BOUND;
    case Verdict::Kind::kIoBound: return v1::Verdict::IO_BOUND;
    case Verdict::Kind::kNative: return v1::Verdict::NATIVE;
    case Verdict::Kind::kMixed: return v1::Verdict::MIXED;
  }
  return v1::Verdict::KIND_UNSPECIFIED;
}

void ToWire(const Verdict& verdict, v1::Verdict* wire) {
  wire->set_kind(ToWire(verdict.kind));
  wire->set_holding_share(verdict.holding);
  wire->set_native_share(verdict.native);
  wire->set_waiting_share(verdict.waiting);
}

void ToWire(const Task& task, Outcome&& outcome, v1::Outcome* wire) {
  wire->set_task_id(task.id);
  wire->set_ending(ToWire(outcome.ending));
  wire->set_lane(outcome.started ? ToWire(task.lane) : v1::NO_LANE);
  if (outcome.result.kind != Value::Kind::kNone) ToWire(std::move(outcome.result), wire->mutable_result());
  if (!outcome.out.empty()) wire->set_stdout(std::move(outcome.out));
  if (!outcome.err.empty()) wire->set_stderr(std::move(outcome.err));
  wire->set_stdout_truncated(outcome.out_truncated);
  wire->set_stderr_truncated(outcome.err_truncated);
  if (outcome.error) {
    wire->mutable_error()->set_type(std::move(outcome.error->type));
    wire->mutable_error()->set_message(std::move(outcome.error->message));
    wire->mutable_error()->set_traceback(std::move(outcome.error->traceback));
    wire->mutable_error()->set_before_start(outcome.error->before_start);
  }
  if (outcome.evidence != Evidence{}) ToWire(outcome.evidence, wire->mutable_evidence());
  ToWire(outcome.usage, wire->mutable_usage());
  if (outcome.lock) ToWire(*outcome.lock, wire->mutable_lock());
  if (const auto verdict = VerdictOf(outcome.usage, outcome.lock)) ToWire(*verdict, wire->mutable_verdict());
  for (FunctionHold& hold : outcome.lock_profile) ToWire(std::move(hold), wire->add_lock_profile());
  for (const std::string& warning : outcome.warnings) wire->add_warnings(RepairUtf8(warning));
  for (File& file : outcome.files) {
    v1::File* const wire_file = wire->add_files();
    wire_file->set_path(std::move(file.path));
    wire_file->set_content(std::move(file.content));
  }
}

v1::Stats ToWire(const ServerSnapshot& snapshot) {
  v1::Stats wire;
  SetDuration(snapshot.uptime_ns, wire.mutable_uptime());
  wire.set_draining(snapshot.draining);
  for (const LaneSnapshot& lane : snapshot.lanes) ToWire(lane, wire.add_lanes());
  for (const SlotSnapshot& slot : snapshot.slots) ToWire(slot, wire.add_interpreters());
  for (const CoreSplit& split : snapshot.cores) {
    v1::CoreStats* const core = wire.add_cores();
    core->set_core(split.core);
    SetDuration(split.io_ns, core->mutable_io_lane());
    SetDuration(split.cpu_ns, core->mutable_cpu_lane());
    SetDuration(split.server_ns, core->mutable_server());
    SetDuration(split.other_ns, core->mutable_other());
    SetDuration(split.idle_ns, core->mutable_idle());
    SetDuration(split.steal_ns, core->mutable_steal());
  }
  for (const SessionSnapshot& session : snapshot.sessions.live) ToWire(session, wire.add_sessions());
  wire.set_core_split_exact(snapshot.core_split_exact);
  if (snapshot.lost_parallelism_ns) SetDuration(*snapshot.lost_parallelism_ns, wire.mutable_lost_parallelism());
  return wire;
}

namespace {

void ToWire(const IsolationSnapshot& isolation, v1::LaneInfo* wire) {
  for (const std::string& layer : isolation.in_force) wire->add_isolation(RepairUtf8(layer));
  for (const auto& [layer, why] : isolation.missing) {
    v1::MissingLayer* const missing = wire->add_missing_isolation();
    missing->set_layer(RepairUtf8(layer));
    missing->set_why(RepairUtf8(why));
  }
}

// In the order of the first lane.
std::vector<std::string> CommonIsolation(const ServerInfo& info) {
  if (info.isolation.empty()) return {};
  std::vector<std::string> common = info.isolation.begin()->second.in_force;
  for (const auto& [lane, isolation] : info.isolation) {
    std::erase_if(common, [&in_force = isolation.in_force](const std::string& layer) {
      return std::find(in_force.begin(), in_force.end(), layer) == in_force.end();
    });
  }
  return common;
}

}  // namespace

v1::Info ToWire(const ServerInfo& info, const std::vector<LaneSnapshot>& lanes, int64_t queue_capacity) {
  v1::Info wire;
  wire.set_version(info.version);
  wire.set_python_version(RepairUtf8(info.python_version));
  wire.set_meter_available(info.meter_available);
  wire.set_meter_detail(RepairUtf8(info.meter_detail));
  wire.set_isolation_level(info.isolation_level);
  for (const std::string& layer : CommonIsolation(info)) wire.add_isolation(RepairUtf8(layer));
  for (const LaneSnapshot& lane : lanes) {
    v1::LaneInfo* const lane_info = wire.add_lanes();
    if (auto isolation = info.isolation.find(lane.lane); isolation != info.isolation.end()) {
      ToWire(isolation->second, lane_info);
    }
    lane_info->set_lane(ToWire(lane.lane));
    lane_info->set_interpreters(lane.interpreters);
    lane_info->set_threads_per_interpreter(lane.threads_per_interpreter);
    lane_info->set_queue_capacity(static_cast<uint32_t>(queue_capacity));
  }
  v1::Limits* const defaults = wire.mutable_default_limits();
  SetDuration(kWallNsDefault, defaults->mutable_wall());
  SetDuration(kQueueNsDefault, defaults->mutable_queue());
  defaults->set_output_bytes(kOutputBytesDefault);
  defaults->set_result_bytes(kResultBytesDefault);
  defaults->set_processes(kTaskProcessesMax);
  defaults->set_scratch_bytes(kScratchBytes);
  defaults->set_scratch_files(kScratchInodes);
  v1::Limits* const ceilings = wire.mutable_ceiling_limits();
  SetDuration(kWallNsMax, ceilings->mutable_wall());
  SetDuration(kQueueNsMax, ceilings->mutable_queue());
  SetDuration(kWallNsMax, ceilings->mutable_cpu());
  ceilings->set_memory_bytes(info.task_memory_bytes_max);
  ceilings->set_output_bytes(kOutputBytesMax);
  ceilings->set_result_bytes(kResultBytesMax);
  ceilings->set_processes(kTaskProcessesMax);
  ceilings->set_scratch_bytes(kScratchBytes);
  ceilings->set_scratch_files(kScratchInodes);
  for (const std::string& module : info.preloaded) wire.add_preloaded(RepairUtf8(module));
  wire.set_stream_tasks_max(kStreamTasksMax);
  wire.set_stream_bytes_max(kStreamBytesMax);
  for (const int core : info.cores) wire.add_cores(core);
  wire.set_core_split_exact(info.core_split_exact);
  wire.set_core_split_detail(RepairUtf8(info.core_split_detail));
  return wire;
}

grpc::Status ToStatus(const InvalidField& invalid) {
  const std::string message = absl::StrCat(invalid.field, " ", invalid.description);
  google::rpc::ErrorInfo error;
  error.set_reason("INVALID_FIELD");
  error.set_domain(kDomain);
  (*error.mutable_metadata())["field"] = invalid.field;
  google::rpc::BadRequest bad_request;
  auto* const violation = bad_request.add_field_violations();
  violation->set_field(invalid.field);
  violation->set_description(invalid.description);
  return MakeStatus(grpc::StatusCode::INVALID_ARGUMENT, message, {&error, &bad_request});
}

grpc::Status ToStatus(const MissingFunction& missing) {
  const std::string hex = absl::BytesToHexString(missing.sha256);
  google::rpc::ErrorInfo error;
  error.set_reason("FUNCTION_MISSING");
  error.set_domain(kDomain);
  (*error.mutable_metadata())["function_sha256"] = hex;
  return MakeStatus(grpc::StatusCode::FAILED_PRECONDITION,
                    absl::StrCat("no function ", hex, " is stored: put it (Executor.PutFunction), then call it"),
                    {&error});
}

grpc::Status ToStatus(const UnknownTask& unknown) {
  google::rpc::ErrorInfo error;
  error.set_reason("TASK_UNKNOWN");
  error.set_domain(kDomain);
  (*error.mutable_metadata())["task_id"] = unknown.id;
  return MakeStatus(grpc::StatusCode::NOT_FOUND,
                    absl::StrCat("no task ", unknown.id, " waits or runs here: it has ended, or there never was one"),
                    {&error});
}

grpc::Status ToStatus(const Refusal& refusal, LaneKind lane) {
  google::rpc::ErrorInfo error;
  error.set_domain(kDomain);
  (*error.mutable_metadata())["lane"] = Name(lane);
  google::rpc::RetryInfo retry;
  SetDuration(refusal.retry_after_ns, retry.mutable_retry_delay());
  const std::string hint = absl::StrCat("; try again in ", refusal.retry_after_ns / kNsPerMs, " ms");
  switch (refusal.reason) {
    case Refusal::Reason::kQueueFull:
      error.set_reason("QUEUE_FULL");
      return MakeStatus(grpc::StatusCode::RESOURCE_EXHAUSTED,
                        absl::StrCat("the queue of the ", Name(lane), " lane is full of tasks", hint),
                        {&error, &retry});
    case Refusal::Reason::kQueueBytesFull:
      error.set_reason("QUEUE_BYTES_FULL");
      return MakeStatus(grpc::StatusCode::RESOURCE_EXHAUSTED,
                        absl::StrCat("the queue of the ", Name(lane), " lane holds as many bytes as it may", hint),
                        {&error, &retry});
    case Refusal::Reason::kSessionsFull:
      error.set_reason("SESSIONS_FULL");
      return MakeStatus(grpc::StatusCode::RESOURCE_EXHAUSTED,
                        absl::StrCat("as many sessions live as may, and none is free to be forgotten", hint),
                        {&error, &retry});
    case Refusal::Reason::kRepliesUnread:
      error.set_reason("REPLIES_UNREAD");
      return MakeStatus(grpc::StatusCode::RESOURCE_EXHAUSTED,
                        absl::StrCat("too many bytes of replies wait for clients to read them", hint),
                        {&error, &retry});
    case Refusal::Reason::kDraining:
      error.set_reason("DRAINING");
      return MakeStatus(grpc::StatusCode::UNAVAILABLE, absl::StrCat("the server is shutting down", hint),
                        {&error, &retry});
  }
  return grpc::Status(grpc::StatusCode::INTERNAL, "refused");
}

}  // namespace gild
