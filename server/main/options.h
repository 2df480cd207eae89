// Options of gild-server: the command line and its GILD_… environment, read and checked. A pure function but for the
// environment and the count of allowed cores.
//
//   auto parsed = ParseOptions(argc, argv, GILD_VERSION);
//   if (auto* exit = std::get_if<Exit>(&parsed)) { print exit->out and exit->err; return exit->code; }
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "server/sandbox/layer.h"
#include "server/task/capacity.h"

namespace gild {

struct Options {
  std::string listen = "127.0.0.1:50051";
  std::string http_listen = "127.0.0.1:9464";
  int io_interpreters = 1;
  int io_threads = 128;
  int cpu_interpreters = 1;  // default: the allowed cores
  std::vector<std::string> preload;
  int64_t grace_ns = kGraceNsDefault;
  int64_t queue_tasks = kQueuedTasksMax;
  int64_t queue_bytes = kQueuedBytesMax;
  int64_t io_memory_bytes = kIoMemoryBytesDefault;
  int64_t cpu_memory_bytes = kCpuMemoryBytesDefault;
  int64_t tasks_per_interpreter = kTasksPerInterpreterDefault;  // CPU lane; 0: any
  int fresh_stock = kFreshStockDefault;                         // CPU lane, a core
  int64_t session_idle_ns = kSessionIdleNsDefault;
  bool insecure = false;
  bool cpu_network = false;
  IsolationLevel require_isolation = IsolationLevel::kNone;
  std::vector<std::string> without_layers;
  std::string interpreter;  // empty: beside the server's own binary
  bool verbose = false;
};

struct Exit {
  int code = 0;
  std::string out;
  std::string err;  // one line
};

// A flag goes before its environment variable, and that before the default.
std::variant<Options, Exit> ParseOptions(int argc, const char* const* argv, const std::string& version);

// Reachable from this machine alone: 127.0.0.0/8, ::1, localhost, a unix socket.
bool IsLoopback(const std::string& address);

}  // namespace gild
