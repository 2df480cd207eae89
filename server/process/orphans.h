// Orphans: processes that outlived the slot init they belonged to. The server is their subreaper (prctl(2)), so they
// become its children; they are killed and reaped here.
//
// Any thread. REQUIRES: this process has no children but the zygote (`ours`), which is reaped by its owner alone.
#pragma once

#include <sys/types.h>

#include <cstdint>

namespace gild {

// Reaps what is dead, without waiting.
void ReapOrphans(pid_t ours);

// Kills every child but `ours`, and reaps those that are dead by then. Reads all of /proc: for rare occasions.
void KillOrphans(pid_t ours);

// Waits until there are no children at all; kills those that are left after `limit_ns`. False: some would not die.
bool AwaitNoChildren(int64_t limit_ns);

}  // namespace gild
