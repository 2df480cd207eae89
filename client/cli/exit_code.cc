#include "client/cli/exit_code.h"

namespace gild::cli {
namespace {

int RaisedCode(const v1::Error& error) {
  if (error.type() == kEntryNotFound) return kExitNoEntry;
  return error.before_start() ? kExitCannotStart : kExitRaised;
}

}  // namespace

int ExitCode(const v1::Outcome& outcome) {
  const v1::Evidence& evidence = outcome.evidence();
  switch (outcome.ending()) {
    case v1::SUCCEEDED: return kExitSucceeded;
    case v1::RAISED: return RaisedCode(outcome.error());
    // What the operating system does with it.
    case v1::EXITED: return evidence.has_exit_code() ? evidence.exit_code() & 0xff : kExitRaised;
    case v1::CRASHED: return kExitSignalBase + (evidence.signal() & 0x7f);
    case v1::TIMED_OUT: return kExitTimedOut;
    case v1::CPU_LIMIT: return kExitCpuLimit;
    case v1::MEMORY_LIMIT: return kExitMemoryLimit;
    case v1::OUTPUT_LIMIT: return kExitOutputLimit;
    case v1::RESULT_LIMIT: return kExitResultLimit;
    case v1::CANCELLED: return kExitCancelled;
    case v1::EXPIRED: return kExitExpired;
    case v1::INTERPRETER_LOST: return kExitInterpreterLost;
    case v1::PROTOCOL_ERROR: return kExitProtocolError;
    case v1::PROCESS_LIMIT: return kExitProcessLimit;
    case v1::SCRATCH_LIMIT: return kExitScratchLimit;
    case v1::ENDING_UNSPECIFIED:
    case v1::Ending_INT_MIN_SENTINEL_DO_NOT_USE_:
    case v1::Ending_INT_MAX_SENTINEL_DO_NOT_USE_: break;
  }
  // A newer server's ending, or none: this client cannot say what happened to the task.
  return kExitGildFailed;
}

int ExitCode(const ServerError& error) {
  switch (error.kind) {
    case ServerError::Kind::kConnectionRefused:
    case ServerError::Kind::kNoRoute:
    case ServerError::Kind::kNotGrpc:
    case ServerError::Kind::kConnectionLost: return kExitUnreachable;
    case ServerError::Kind::kDraining:
    case ServerError::Kind::kRefused: return kExitRefused;
    case ServerError::Kind::kInvalid: return kExitUsage;
    case ServerError::Kind::kCancelled: return kExitCancelled;
    case ServerError::Kind::kDeadline:
    case ServerError::Kind::kUnimplemented:
    case ServerError::Kind::kFunctionMissing:
    case ServerError::Kind::kOther: break;
  }
  return kExitGildFailed;
}

}  // namespace gild::cli
