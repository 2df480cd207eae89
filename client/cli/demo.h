// `gild demo`: the lessons of the lock, on real input, in both lanes, with every figure measured and every result
// checked.
//
// Main thread only. It starts an HTTP server on loopback for the first lesson, and has the pictures for the second one
// drawn by tasks; all it does to the gild server is to run tasks.
//
//   DemoOptions options;
//   return RunDemo(options, "127.0.0.1:50051", terminal);
#pragma once

#include <string>
#include <vector>

#include "client/cli/terminal.h"

namespace gild::cli {

struct DemoOptions {
  std::vector<std::string> only;   // of "urls", "images", "primes", "arrays"; empty: all
  std::vector<std::string> lanes;  // of "io", "cpu"; empty: both
  double scale = 1;                // of the numbers of URLs, images and sines, and of the primes' limit
  std::string url_file;            // one URL a line; # and empty lines are skipped
  std::string runtime;             // a Python interpreter's path: its row, too; empty: none
  std::string images;              // a directory of *.jpg, *.jpeg, *.png
  bool baseline = true;            // false: no run one at a time, and no SPEEDUP
  bool json = false;
};

int RunDemo(const DemoOptions& options, const std::string& address, const Terminal& terminal);

// Serves the first lesson's pages until SIGINT, SIGTERM or the end of stdin: prints the address of page 0, one line.
// For measuring other ways of fetching them.
int ServeUrls(const Terminal& terminal);

}  // namespace gild::cli
