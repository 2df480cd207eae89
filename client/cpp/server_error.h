// ServerError: why an RPC failed, in terms a program can act on. Only for gild's own failures and refusals: what became
// of a task's code is its Outcome, never an error.
//
// Made from the absl::Status that Client returns (which carries the server's google.rpc.Status as a payload) or from a
// grpc::Status. A plain value: copy it, keep it, read it from any thread.
//
//   ServerError error = ServerError::From(outcome.status());
//   if (error.retry_delay) SleepFor(*error.retry_delay);
#pragma once

#include <grpcpp/support/status.h>

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace gild {

struct ServerError {
  enum class Kind {
    // Somebody answers at the address, and says no: nothing listens on that port.
    kConnectionRefused,
    // The name does not resolve, or no route leads there, or nobody answers a connection attempt.
    kNoRoute,
    // Something listens there that does not speak gRPC (or speaks TLS).
    kNotGrpc,
    // The connection broke while the call ran. Whether the task ran is unknown; Run is at most once.
    kConnectionLost,
    // The server is shutting down and takes no new tasks.
    kDraining,
    // The server is up and refuses for now: `reason` says why (QUEUE_FULL, QUEUE_BYTES_FULL, SESSIONS_FULL,
    // REPLIES_UNREAD).
    kRefused,
    // A field is wrong: `field_violations` names it.
    kInvalid,
    // The task calls a function that the server does not have (any more): metadata `function_sha256` names it, in hex.
    // Put
    // it again.
    kFunctionMissing,
    // No reply within the gRPC deadline.
    kDeadline,
    // This client cancelled the call.
    kCancelled,
    // The server does not have this part of the API.
    kUnimplemented,
    // A failure of gild's own.
    kOther,
  };
  struct FieldViolation {
    // A path: `task.limits.wall`.
    std::string field;
    std::string description;
  };

  // REQUIRES: !status.ok()
  static ServerError From(const absl::Status& status);
  static ServerError From(const grpc::Status& status);

  Kind kind = Kind::kOther;
  absl::StatusCode code = absl::StatusCode::kUnknown;
  std::string message;
  // google.rpc.ErrorInfo; empty when the server sent none.
  std::string reason;
  std::map<std::string, std::string> metadata;
  // google.rpc.RetryInfo: come back after so long.
  std::optional<absl::Duration> retry_delay;
  std::vector<FieldViolation> field_violations;
};

// The server's details ride along, so that ServerError::From gives the same for either.
absl::Status ToAbsl(const grpc::Status& status);

}  // namespace gild
