#include "server/service/task_from_wire.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "server/base/ids.h"
#include "server/base/utf8.h"
#include "server/task/file_path.h"

namespace gild {
namespace {

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
    if (wire.function().buffers_size() > kArgumentsMax) {
      return InvalidField{"task.function.buffers", absl::StrCat("are more than ", kArgumentsMax)};
    }
    task.pickled_arguments = std::move(*wire.mutable_function()->mutable_pickled_arguments());
    auto& buffers = *wire.mutable_function()->mutable_buffers();
    task.buffers.assign(std::make_move_iterator(buffers.begin()), std::make_move_iterator(buffers.end()));
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

}  // namespace gild
