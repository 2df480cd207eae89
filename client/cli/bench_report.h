// What `gild bench` measured, and how it is told: tables for 80 columns, or one line of JSON.
//
// Pure functions of the figures: any thread. What could not be measured is "n/a" in the text and null in JSON, never
// zero.
//
//   BenchReport report = …;
//   fputs(BenchText(report, bold).c_str(), stdout);
#pragma once

#include <functional>
#include <string>

#include "client/bench/figures.h"
#include "client/bench/load.h"

namespace gild::cli {

struct BenchReport {
  std::string gild_version;    // the server's
  std::string python_version;  // the server's
  std::string workload;        // "noop", "primes.py: fib"
  std::string next;            // a command to try next
  bench::LoadOptions load;     // the tasks themselves are not told
  size_t client_cores = 1;
  bench::Figures figures;
};

// `paint_header` may add colour codes.
std::string BenchText(const BenchReport& report,
                      const std::function<std::string(const std::string&)>& paint_header = nullptr);
std::string BenchJson(const BenchReport& report);

const char* ModeWord(bench::Mode mode);           // "unary", "stream", "batched"
const char* SpacingWord(bench::Spacing spacing);  // "poisson", "even"

// One of the client's threads, or all of its cores, were busy for over 90 % of the time: the figures are partly its
// own.
bool ClientSaturated(const BenchReport& report);

}  // namespace gild::cli
