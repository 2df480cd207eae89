// ScratchQuota: what files may take in a slot's scratch while one task runs. The interpreter asks for it and the slot's
// init sets it, which alone may mount: the asking is a quotactl(2) that the filter of system calls refuses, and so the
// init hears of it (syscall_filter.h).
//
// A task can ask as well, and so lift its quota as far as its slot's bounds, as it can its own memory limit.
#pragma once

#include <linux/seccomp.h>

#include <optional>

#include "server/sandbox/slot_files.h"

namespace gild {

// In the interpreter: from now on files may take so much more than they do; 0: as much as the slot may. False: there is
// no init that hears of it, or it could not.
bool AskScratchQuota(const ScratchBounds& more);

// In the init: what a refused call asks for; empty: it is none of these calls.
std::optional<ScratchBounds> ScratchQuotaAsked(const seccomp_data& call);
// 0, or an errno. `slot`: what is never exceeded. REQUIRES: EnterOwnRoot, RenewScratch.
int SetScratchQuota(const ScratchBounds& more, const ScratchBounds& slot);

}  // namespace gild
