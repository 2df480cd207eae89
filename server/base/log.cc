#include "server/base/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <atomic>
#include <cstdio>

namespace gild {
namespace {

// spdlog's JSON patterns do not escape, so the line is made here.
std::string Quoted(const std::string& text) {
  std::string quoted = "\"";
  for (const unsigned char c : text) {
    if (c == '"' || c == '\\') {
      quoted += '\\';
      quoted += static_cast<char>(c);
    } else if (c < 0x20) {
      char escaped[8];
      std::snprintf(escaped, sizeof escaped, "\\u%04x", c);
      quoted += escaped;
    } else {
      quoted += static_cast<char>(c);
    }
  }
  return quoted + "\"";
}

spdlog::logger& Logger() {
  // Leaked: threads may log while the process ends.
  static spdlog::logger* const logger = [] {
    auto* made = new spdlog::logger("gild", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    made->set_pattern("{\"time\":\"%Y-%m-%dT%H:%M:%S.%e%z\",\"level\":\"%l\",%v}");
    return made;
  }();
  return *logger;
}

std::atomic<bool> everything_shown{false};

void Log(spdlog::level::level_enum level, const std::string& message, LogFields fields) {
  std::string line = "\"message\":" + Quoted(message);
  for (const auto& [name, value] : fields) line += "," + Quoted(name) + ":" + Quoted(value);
  Logger().log(level, spdlog::string_view_t(line.data(), line.size()));
}

}  // namespace

void LogInfo(const std::string& message, LogFields fields) {
  if (everything_shown) Log(spdlog::level::info, message, fields);
}
void LogNotice(const std::string& message, LogFields fields) { Log(spdlog::level::info, message, fields); }
void LogWarning(const std::string& message, LogFields fields) { Log(spdlog::level::warn, message, fields); }
void LogError(const std::string& message, LogFields fields) { Log(spdlog::level::err, message, fields); }

void LogEverything(bool everything) { everything_shown = everything; }

}  // namespace gild
