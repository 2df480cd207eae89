#include "client/cli/failure.h"

#include "client/cli/exit_code.h"
#include "client/cpp/server_error.h"

namespace gild::cli {

Failure FailureOf(const absl::Status& status, const std::string& address) {
  const ServerError error = ServerError::From(status);
  return {Explain(error, address), ExitCode(error)};
}

int Tell(const Failure& failure, const Terminal& terminal) {
  terminal.Error(failure.why.cause, failure.why.hint);
  return failure.exit_code;
}

}  // namespace gild::cli
