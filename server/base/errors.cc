#include "server/base/errors.h"

#include <cstdio>
#include <cstdlib>
#include <system_error>

namespace gild {
namespace {

absl::StatusCode CodeOf(int error_number) {
  switch (error_number) {
    case EINVAL: return absl::StatusCode::kInvalidArgument;
    case ENOENT: return absl::StatusCode::kNotFound;
    case EEXIST: return absl::StatusCode::kAlreadyExists;
    case EACCES:
    case EPERM: return absl::StatusCode::kPermissionDenied;
    case ENOMEM:
    case ENOSPC:
    case EMFILE:
    case ENFILE: return absl::StatusCode::kResourceExhausted;
    case EPIPE:
    case ECONNRESET:
    case ECONNREFUSED:
    case EADDRINUSE: return absl::StatusCode::kUnavailable;
    default: return absl::StatusCode::kInternal;
  }
}

}  // namespace

absl::Status ErrnoStatus(int error_number, const std::string& what) {
  return absl::Status(CodeOf(error_number), what + ": " + std::generic_category().message(error_number));
}

void CheckFailed(const char* file, int line, const char* condition) {
  std::fprintf(stderr, "%s:%d: check failed: %s\n", file, line, condition);
  std::abort();
}

}  // namespace gild
