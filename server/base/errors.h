// The one place where errno becomes an absl::Status, and where our own bugs stop the process.
//
// GILD_CHECK is for our own bugs, stays on in release, and never tests what a client or a child sent.
#pragma once

#include <string>

#include "absl/status/status.h"

namespace gild {

// "open /proc/stat: Permission denied", with the canonical code nearest to `error_number`.
absl::Status ErrnoStatus(int error_number, const std::string& what);

[[noreturn]] void CheckFailed(const char* file, int line, const char* condition);

#define GILD_CHECK(condition) \
  ((condition) ? static_cast<void>(0) : ::gild::CheckFailed(__FILE__, __LINE__, #condition))

#define GILD_RETURN_IF_ERROR(expression)                       \
  do {                                                         \
    if (absl::Status status_ = (expression); !status_.ok()) return status_; \
  } while (false)

}  // namespace gild
