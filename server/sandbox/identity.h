// Who a slot is: a uid of its own outside, one user of its own namespace inside, and nobody with a capability where
// user code runs.
//
// Single-threaded callers only; nothing here is undone.
#pragma once

#include <sys/types.h>

#include "absl/status/status.h"

namespace gild {

// Gives up the groups, the gid and the uid for this one, and every capability with them. REQUIRES: root; uid != 0.
absl::Status TakeUid(uid_t uid);

// A user namespace with one user, kTaskUid, which is the caller; and a mount namespace that belongs to it, where the
// caller may mount but undo nothing that was mounted before. The capabilities it has are worth nothing outside.
absl::Status EnterUserNamespace();

// For an ordinary user, who may make namespaces only beneath a user namespace of its own: goes on in a child that is
// root there, and the first of a pid namespace that belongs to it; the caller itself waits, without `conversation`, and
// ends as the child ends. Where the kernel refuses it returns to the caller, as it was.
void GoOnAsRootOfOwnNamespace(int conversation);

// The caller and what it forks will gain no capability by running a program. An error where some are left: that needs a
// privilege, which an ordinary user lacks. Who enters a user namespace has them all again.
absl::Status DropBoundingSet();
// Has none now: effective, permitted, inheritable and ambient sets.
absl::Status DropCapabilities();

}  // namespace gild
