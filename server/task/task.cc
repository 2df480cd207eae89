#include "server/task/task.h"

namespace gild {

const char* Name(Tag tag) {
  switch (tag) {
    case Tag::kAuto: return "AUTO";
    case Tag::kIo: return "IO";
    case Tag::kCpu: return "CPU";
  }
  return "?";
}

const char* Name(LaneKind lane) {
  switch (lane) {
    case LaneKind::kIo: return "io";
    case LaneKind::kCpu: return "cpu";
  }
  return "?";
}

int64_t Task::Bytes() const {
  int64_t bytes = sizeof(Task) + code.size() + entry.size() + session.size() + name.size() + pickled_arguments.size();
  for (const Value& argument : arguments) bytes += sizeof(Value) + argument.bytes.size();
  for (const std::string& buffer : buffers) bytes += sizeof(std::string) + buffer.size();
  for (const File& file : files) bytes += sizeof(File) + file.path.size() + file.content.size();
  for (const std::string& pattern : collect) bytes += sizeof(std::string) + pattern.size();
  return bytes;
}

bool Task::Large() const {
  return Bytes() + static_cast<int64_t>(function == nullptr ? 0 : function->pickled.size()) >= kLargeTaskBytes;
}

}  // namespace gild
