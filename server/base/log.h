// The server's log: one JSON object a line on stderr, levels info, warning, error. Any thread. Children do not log;
// they send frames. spdlog stands behind it, seen by log.cc alone.
//
//   LogInfo("interpreter started", {{"slot", "cpu-0"}, {"pid", "4711"}});
#pragma once

#include <initializer_list>
#include <string>
#include <utility>

namespace gild {

using LogFields = std::initializer_list<std::pair<const char*, std::string>>;

void LogInfo(const std::string& message, LogFields fields = {});
// Info that is shown always: what an operator should have seen of every start.
void LogNotice(const std::string& message, LogFields fields = {});
void LogWarning(const std::string& message, LogFields fields = {});
void LogError(const std::string& message, LogFields fields = {});

// Default: notices, warnings and worse.
void LogEverything(bool everything);

}  // namespace gild
