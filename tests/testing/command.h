// Running a program to its end and hearing what it said: for the tests of `gild`, `promtool` and flags of
// `gild-server`.
//
// Any thread. Blocks until the program has ended; its input and output are kept in memory.
#pragma once

#include <string>
#include <vector>

namespace gild::testing {

struct CommandResult {
  // As a shell gives it: the exit code, or 128 + the signal.
  int exit_code = -1;
  std::string out;
  std::string err;
};

// `arguments[0]` is the program's path. Throws std::system_error when it cannot be started.
CommandResult RunCommand(const std::vector<std::string>& arguments, const std::string& input = "");

// Starts a program that is told to end (SIGTERM) when this process does. Returns its pid. Throws std::system_error.
int Spawn(const std::vector<std::string>& arguments, int stdin_fd, int stdout_fd, int stderr_fd);

// Waits for a child's end; the exit code as a shell gives it.
int AwaitExit(int pid);

// An empty file in memory, and what has been written to it.
int MemoryFile(const std::string& content = "");
std::string ContentOf(int memory_file);

}  // namespace gild::testing
