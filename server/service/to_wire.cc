#include "server/service/to_wire.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/base/clock.h"
#include "server/base/utf8.h"

namespace gild {
namespace {

void SetDuration(int64_t ns, google::protobuf::Duration* duration) {
  duration->set_seconds(ns / kNsPerSecond);
  duration->set_nanos(static_cast<int32_t>(ns % kNsPerSecond));
}

uint64_t NotNegative(int64_t value) { return value < 0 ? 0 : static_cast<uint64_t>(value); }

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

}  // namespace

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
    wire->mutable_error()->set_pickled(std::move(outcome.error->pickled));
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

}  // namespace gild
