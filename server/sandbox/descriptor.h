// A descriptor that goes from one process of ours to another, over a socket pair made for it alone (unix(7),
// SCM_RIGHTS).
#pragma once

#include "absl/status/status.h"
#include "server/base/unique_fd.h"

namespace gild {

absl::Status SendDescriptor(int socket, int descriptor);

// Does not wait. Invalid: none came, or the other side has ended.
UniqueFd ReceiveDescriptor(int socket);

}  // namespace gild
