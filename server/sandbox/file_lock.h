// File locks (flock(2)) of a slot's own files. The filter refuses the call, since most files that a slot sees are the
// machine's: whoever locks one of those is met by all the others. The slot's init hears of it (syscall_filter.h) and
// locks for the caller what lies in the scratch, by a duplicate of the descriptor, which has the same lock.
//
// The init waits for nobody: a lock that another has is EWOULDBLOCK for those as well who would wait. The interpreter
// asks again for them (interpreter/blocking_calls). Called by the init's one thread; the duplicate is closed again, and
// the lock stays the caller's.
#pragma once

#include <linux/seccomp.h>

#include <optional>

namespace gild {

// In the init: 0 or an errno for the caller; empty: it is no such call, or of a file that is not the slot's own.
// REQUIRES: RenewScratch.
std::optional<int> LockOwnFile(const seccomp_notif& call);

}  // namespace gild
