// Limits and figures of a whole process, for tasks that have one to themselves: memory, CPU time, peak memory.
//
// One task at a time, on the main thread. An error means that the figure or limit is not available on this machine.
#pragma once

#include <cstdint>
#include <optional>

namespace gild {

// Lets the process add `bytes` of private writable memory to what it has (RLIMIT_DATA), until lifted. What it keeps for
// reuse is given back first as far as it can be; what lies free between what is in use does not count.
bool LimitMemory(uint64_t bytes);
void LiftMemoryLimit();

// What a task freed is kept for the next, up to 64 MiB: the kernel's zeroed pages are dear (an image's 640 page faults
// were a tenth of its time).
void KeepFreedMemory();

// SIGKILL, which nobody can block or handle, ends the process after it has used `cpu_ns` more. 0 disarms.
bool LimitCpu(int64_t cpu_ns);
// False: what keeps that limit is armed, or is gone: a task has found it, by its number. REQUIRES: no limit is set.
bool CpuLimitRests();
// Interval timers that a task has set must not go off in the next one.
void DisarmTimers();

// Once, before the walls are closed (sandbox/enter.h): /proc may still be written to, timers made. REQUIRES: one
// thread.
void PrepareLimits();
// Waits until the calling thread is the only one, also of those that nobody told us of. False: it is not, after so
// long.
bool AwaitOneThread(int64_t limit_ns);
// False: it could not be reset.
bool ResetPeakMemory();
// The highest resident memory since the last reset: of the process, and of the largest child that it has ever waited
// for.
std::optional<int64_t> PeakMemoryBytes();
int64_t ChildrenPeakMemoryBytes();
std::optional<int64_t> ResidentMemoryBytes();

// Of all its threads, and of the children that it has waited for.
int64_t ProcessCpuNs();
// Waits for the children that have ended; true: others live on.
bool HasLivingChildren();
// Ends the processes that the calling thread has started and that live on, and waits for them. False: there are none.
bool EndChildrenOfThread();
int64_t ThreadCpuNs();
// Time the calling thread was runnable and waited for a core, since its start (schedstat; kernel's
// Documentation/scheduler).
std::optional<int64_t> ThreadCpuWaitNs();

}  // namespace gild
