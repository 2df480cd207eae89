// `gild run`: one task, from a file, a string or stdin, with its output passed through and its ending as the exit code.
//
// Main thread only. SIGINT and SIGTERM cancel the task on the server while it runs. With `follow`, its output comes
// while it runs (follower.h).
//
//   RunOptions options;
//   options.code = "print('hello')";
//   return RunTask(options, "127.0.0.1:50051", terminal);
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "client/cli/explain.h"
#include "client/cli/follower.h"
#include "client/cli/terminal.h"
#include "gild/v1/task.pb.h"

namespace gild::cli {

struct RunOptions {
  std::string file;                 // "-" is stdin; empty with `code`
  std::optional<std::string> code;  // -c
  std::string tag = "auto";         // io, cpu, auto
  std::string entry;
  std::vector<std::string> arguments;  // JSON, or @file for its raw bytes
  std::optional<absl::Duration> timeout;
  std::optional<absl::Duration> queue_timeout;
  std::optional<absl::Duration> cpu_time;
  std::optional<uint64_t> memory_bytes;
  std::optional<uint64_t> processes;
  std::optional<uint64_t> scratch_bytes;
  std::optional<uint64_t> scratch_files;
  std::optional<uint64_t> output_bytes;
  std::string session;
  std::string name;
  std::vector<std::string> files;    // LOCAL or LOCAL:NAME
  std::vector<std::string> collect;  // names or patterns
  std::string into = ".";            // where what is collected is written
  bool allow_subprocess = false;
  bool fresh = false;
  bool json = false;
  bool follow = false;  // REQUIRES: not json
};

// "io", "cpu", else AUTO.
v1::Tag TagOf(const std::string& tag);

// False, with the complaint, when a file cannot be read or an argument is not JSON. REQUIRES: a file or code is given.
bool MakeTask(const RunOptions& options, v1::Task* task, Explanation* complaint);

// Passes the output on that has not been shown, and explains the ending; returns the exit code.
int ShowOutcome(const v1::Outcome& outcome, const RunOptions& options, const Terminal& terminal,
                const Shown& shown = {});

int RunTask(const RunOptions& options, const std::string& address, const Terminal& terminal);

}  // namespace gild::cli
