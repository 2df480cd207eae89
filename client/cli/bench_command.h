// `gild bench`: what a server takes, and how long its tasks take: a load, closed loop or open, and a report.
//
// Main thread only. SIGINT and SIGTERM end the load early and report what there is.
//
//   BenchOptions options;
//   return RunBench(options, "127.0.0.1:50051", terminal);
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "client/bench/load.h"
#include "client/cli/explain.h"
#include "client/cli/terminal.h"

namespace gild::cli {

inline constexpr size_t kBenchOutstandingMax = 65536;
inline constexpr size_t kBenchConnectionsMax = 64;
inline constexpr size_t kBenchBatchMax = 1024;  // as many as a message of the server's window may have
inline constexpr double kBenchRateMin = 0.01;   // a second
inline constexpr double kBenchRateMax = 1e6;

struct BenchOptions {
  std::string workload = "noop";  // noop, urls, images, primes, arrays; else a file of Python source, - for stdin
  std::string tag = "auto";
  std::string entry;
  std::vector<std::string> arguments;  // JSON, or @file
  bench::Mode mode = bench::Mode::kUnary;
  std::optional<uint64_t> batch;        // 64
  std::optional<uint64_t> outstanding;  // closed loop: 64, 256 on a stream, 4 batches; open loop: 1024
  uint64_t connections = 1;
  std::optional<double> rate;
  std::optional<bench::Spacing> spacing;
  std::optional<uint64_t> seed;
  std::optional<absl::Duration> warm_up;   // 1 s; zero: none
  std::optional<absl::Duration> duration;  // 10 s
  std::optional<uint64_t> tasks;
  bool json = false;
};

// All but the tasks. False, with the complaint, when two options do not go together.
bool MakeLoad(const BenchOptions& options, const std::string& address, bench::LoadOptions* load,
              Explanation* complaint);

int RunBench(const BenchOptions& options, const std::string& address, const Terminal& terminal);

}  // namespace gild::cli
