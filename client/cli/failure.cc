#include "client/cli/failure.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
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

int Print(const std::string& report, const Terminal& terminal) {
  if (WriteAll(STDOUT_FILENO, report)) return kExitSucceeded;
  return Tell({{absl::StrCat("cannot write to stdout: ", strerror(errno)), ""}, kExitGildFailed}, terminal);
}

}  // namespace gild::cli
