// Exit codes of `gild run`: one table, the same in README and `gild run --help`.
//
// Pure functions: any thread. Where a user's program exits with one of these numbers itself, the line on stderr and the
// `ending` of --json decide.
//
//   return ExitCode(outcome);
#pragma once

#include "client/cpp/server_error.h"
#include "gild/v1/task.pb.h"

namespace gild::cli {

inline constexpr int kExitSucceeded = 0;
inline constexpr int kExitRaised = 1;        // also: the demo failed
inline constexpr int kExitUsage = 2;         // bad option, unreadable file, a field that the server calls wrong
inline constexpr int kExitUnreachable = 69;  // EX_UNAVAILABLE
inline constexpr int kExitRefused = 75;      // EX_TEMPFAIL: come back later
inline constexpr int kExitProcessLimit = 118;
inline constexpr int kExitScratchLimit = 119;
inline constexpr int kExitResultLimit = 120;
inline constexpr int kExitExpired = 121;
inline constexpr int kExitInterpreterLost = 122;
inline constexpr int kExitProtocolError = 123;
inline constexpr int kExitTimedOut = 124;     // as timeout(1)
inline constexpr int kExitGildFailed = 125;   // as docker: not the task's fault
inline constexpr int kExitCannotStart = 126;  // RAISED before its start: source, a missing module, or files
inline constexpr int kExitNoEntry = 127;
inline constexpr int kExitSignalBase = 128;   // CRASHED: plus the signal
inline constexpr int kExitCancelled = 130;    // SIGINT
inline constexpr int kExitMemoryLimit = 137;  // SIGKILL, as an out-of-memory kill
inline constexpr int kExitTerminated = 143;   // SIGTERM
inline constexpr int kExitCpuLimit = 152;     // SIGXCPU
inline constexpr int kExitOutputLimit = 153;  // SIGXFSZ

// The type of a RAISED error when `entry` names nothing in the code.
inline constexpr char kEntryNotFound[] = "EntryNotFound";

// RAISED is 1, but for an error that says that the body could not start (126: it does not compile, or lacks a module
// that it imports at its top level, or its files could not be placed) and for a missing entry (127).
int ExitCode(const v1::Outcome& outcome);
int ExitCode(const ServerError& error);

}  // namespace gild::cli
