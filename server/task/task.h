// Task: one piece of user code to run once, with its tag, arguments and limits, as the server knows it.
//
// The domain's own words; service/task_from_wire makes it of what a client sends, and nobody else does. Limits are
// already clamped, texts already validated. Immutable once submitted, shared by shared_ptr between floors.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "server/task/capacity.h"
#include "server/task/function.h"

namespace gild {

enum class Tag { kAuto, kIo, kCpu };
enum class LaneKind { kIo, kCpu };

const char* Name(Tag tag);        // "AUTO" "IO" "CPU", as in the proto
const char* Name(LaneKind lane);  // "io" "cpu", as in metrics and slot names

struct Value {
  enum class Kind { kNone, kJson, kRaw, kPickled };
  Kind kind = Kind::kNone;
  std::string bytes;
};

// A file of a task's folder; its name is relative, without `.` and `..`.
struct File {
  std::string path;
  std::string content;
};

struct Limits {
  int64_t wall_ns = kWallNsDefault;
  int64_t queue_ns = kQueueNsDefault;
  int64_t cpu_ns = 0;        // 0: none
  int64_t memory_bytes = 0;  // 0: none
  int64_t output_bytes = kOutputBytesDefault;
  int64_t result_bytes = kResultBytesDefault;
  bool end_on_output_overflow = false;
  // 0: its slot's.
  int64_t processes = 0;
  int64_t scratch_bytes = 0;
  int64_t scratch_files = 0;

  // The slot's control groups keep some of them: while the task runs it has the slot to itself, so nothing lies ready
  // behind it.
  bool OfSlot() const { return memory_bytes > 0 || processes > 0; }
};

struct Task {
  std::string id;       // UUIDv7, for people and logs
  uint64_t serial = 0;  // set by Scheduler::Submit; unique in this server's life; what frames and the page use
  std::string name;
  Tag tag = Tag::kAuto;
  LaneKind lane = LaneKind::kCpu;
  // The body: source, or a function.
  std::string code;
  std::string entry;  // empty: the script is the task
  std::vector<Value> arguments;
  std::shared_ptr<const Function> function;
  std::string pickled_arguments;     // (args, kwargs)
  std::vector<std::string> buffers;  // that their pickle takes from outside

  Limits limits;
  std::string principal;        // who asks: no interpreter serves two of them; empty: anonymous, as all are so far
  std::string session;          // empty: none
  uint64_t session_number = 0;  // set by Scheduler::Submit, as is the serial; 0: none, or of no meaning in its lane
  std::vector<File> files;
  std::vector<std::string> collect;  // names or patterns
  bool profile_lock = false;
  bool allow_subprocess = false;
  bool fresh = false;                 // nothing has run in its interpreter, nor will; CPU lane only
  std::vector<std::string> warnings;  // copied to the outcome

  // What it weighs in a queue.
  int64_t Bytes() const;
  // It may reach its interpreter in a file (ipc/frame.h), which must not lie open beside another task.
  bool Large() const;
};

}  // namespace gild
