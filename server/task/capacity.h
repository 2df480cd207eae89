// The bounds of gild that a client can meet, in one place. Each is followed by the answer for "full".
#pragma once

#include <cstdint>

#include "server/base/clock.h"

namespace gild {

// ---- what a client may send (beyond: INVALID_ARGUMENT naming the field, but for the limits, which are lowered) ----
inline constexpr int64_t kCodeBytesMax = 1 << 20;
inline constexpr int64_t kArgumentsMax = 1024;  // and buffers of pickled ones
inline constexpr int64_t kNameBytesMax = 128;
inline constexpr int64_t kEntryBytesMax = 256;
inline constexpr int64_t kSessionBytesMax = 128;
// One gRPC message, either way. gRPC itself answers RESOURCE_EXHAUSTED beyond.
inline constexpr int64_t kMessageBytesMax = 48 << 20;

inline constexpr int64_t kWallNsDefault = 30 * kNsPerSecond;
inline constexpr int64_t kWallNsMax = 3600 * kNsPerSecond;
inline constexpr int64_t kQueueNsDefault = 60 * kNsPerSecond;
inline constexpr int64_t kQueueNsMax = 3600 * kNsPerSecond;
inline constexpr int64_t kMemoryBytesMax = int64_t{64} << 30;
inline constexpr int64_t kOutputBytesDefault = 1 << 20;
inline constexpr int64_t kOutputBytesMax = 4 << 20;
inline constexpr int64_t kResultBytesDefault = 32 << 20;
inline constexpr int64_t kResultBytesMax = 32 << 20;

// ---- what a child may send (beyond: truncated by an honest child, PROTOCOL_ERROR from another) ----
inline constexpr int64_t kErrorTypeBytesMax = 256;
inline constexpr int64_t kErrorMessageBytesMax = 4 << 10;
inline constexpr int64_t kErrorTracebackBytesMax = 64 << 10;
inline constexpr int64_t kErrorPickledBytesMax = 256 << 10;  // left out by an honest child
inline constexpr int kWarningsMax = 16;
inline constexpr int64_t kWarningBytesMax = 1 << 10;
inline constexpr int kResidueMax = 8;

// ---- functions ----
// One pickled function. Larger: INVALID_ARGUMENT.
inline constexpr int64_t kFunctionBytesMax = 16 << 20;
// A frame between server and child: a task, with the function that it calls. Larger from a child: PROTOCOL_ERROR.
inline constexpr int64_t kFrameBytesMax = kMessageBytesMax + kFunctionBytesMax + (1 << 20);
// From here on a task goes to an interpreter only when that is idle: it may travel in a file. Less than the smallest of
// these (kInFileBytesMin), since a frame is a little more than what is in it.
inline constexpr int64_t kLargeTaskBytes = 8 << 20;
// All that clients have put. Full: the one used the longest ago is forgotten; a task that calls it is refused with
// FAILED_PRECONDITION, which names it.
inline constexpr size_t kFunctionsMax = 4096;
inline constexpr int64_t kFunctionsBytesMax = 256 << 20;
// Those that one interpreter has unpickled. Full: likewise, and it is sent again with the next task that calls it.
inline constexpr size_t kInterpreterFunctionsMax = 256;
inline constexpr int64_t kInterpreterFunctionsBytesMax = 64 << 20;
// Bodies whose code an interpreter keeps, the latest; longer ones it compiles each time.
inline constexpr size_t kCompiledBodiesMax = 64;
inline constexpr size_t kCompiledSourceBytesMax = 64 << 10;

// ---- files of a task's folder ----
// In: beyond, INVALID_ARGUMENT.
inline constexpr int kFilesMax = 64;
inline constexpr int64_t kFilesBytesMax = 16 << 20;
inline constexpr int64_t kFilePathBytesMax = 1024;
inline constexpr int64_t kFilePartBytesMax = 255;
inline constexpr int kCollectMax = 64;
// Out: they count against limits.result_bytes (RESULT_LIMIT); what is beyond these is left out, with a warning.
inline constexpr int kCollectedFilesMax = 256;
inline constexpr int kCollectLooksMax = 65536;  // files and folders looked at

// Memory of all that one interpreter's tasks run, with their files (flags --io-memory, --cpu-memory). Full:
// MEMORY_LIMIT.
inline constexpr int64_t kIoMemoryBytesDefault = int64_t{4} << 30;
inline constexpr int64_t kCpuMemoryBytesDefault = int64_t{2} << 30;
// More than a task's own memory limit for all that its processes take together: what the kernel keeps for them, and
// pages of the interpreter that it writes to.
inline constexpr int64_t kTaskMemorySlackBytes = int64_t{64} << 20;
// Processes and threads, likewise. Full: EAGAIN, which is an OSError or RuntimeError in Python, and PROCESS_LIMIT.
inline constexpr int64_t kIoPidsMax = 4096;
inline constexpr int64_t kCpuPidsMax = 512;
// Of these a task of the CPU lane has all but two: its interpreter, and the slot's init.
inline constexpr int64_t kTaskProcessesMax = kCpuPidsMax - 2;
// What tasks of one interpreter may write to their working directory. Full: ENOSPC, which is an OSError in Python, and
// SCRATCH_LIMIT.
inline constexpr int64_t kScratchBytes = int64_t{256} << 20;
inline constexpr int64_t kScratchInodes = 16384;

// ---- functions that held the lock (Task.profile_lock) ----
// Told of: an honest child tells no more; from another PROTOCOL_ERROR.
inline constexpr int kLockProfileMax = 20;
inline constexpr int64_t kFunctionNameBytesMax = 256;  // and the file's: cut, likewise
// Kept apart while the task runs, and calls within calls. Beyond: charged to "(other)".
inline constexpr size_t kProfiledFunctionsMax = 4096;
inline constexpr size_t kProfiledDepthMax = 65536;

// ---- sessions ----
// Those that live. Full: the one idle for the longest is forgotten; when none is idle, a new one's task is refused with
// RESOURCE_EXHAUSTED. As many again may be forgotten and not yet gone from their interpreters. Full: none is forgotten.
inline constexpr size_t kSessionsMax = 1024;
// One that no task used for so long is forgotten (flag --session-idle).
inline constexpr int64_t kSessionIdleNsDefault = 600 * kNsPerSecond;
inline constexpr int64_t kSessionIdleNsMax = 24 * 3600 * kNsPerSecond;
// A forgotten session's finalizers, user code, have so long to end; then they are stopped as a task is, and cost the
// interpreter when kStopGraceNs has passed as well.
inline constexpr int64_t kSessionEndNs = 1 * kNsPerSecond;
// Copies of functions that one session has. Full: the one used the longest ago is forgotten, with its globals, and
// unpickled anew when it is called again.
inline constexpr size_t kSessionFunctionsMax = 64;
inline constexpr int64_t kSessionFunctionsBytesMax = 16 << 20;

// ---- queues ----
// Tasks waiting for one lane; bytes that its tasks hold until they are over. Full: RESOURCE_EXHAUSTED with RetryInfo.
inline constexpr int64_t kQueuedTasksMax = 16384;
inline constexpr int64_t kQueuedBytesMax = int64_t{1} << 30;
// Up to here a task that can start at once is taken all the same: they are as few as there are threads.
inline constexpr int64_t kLetByBytes = 64 << 10;

// What a child has not read yet: as much as a lane's queue holds by default, so that honest tasks fit. (Files that ride
// along are counted until they are on their way: one a task in flight at most, and its task is as large.) Full: its
// conversation, and so the interpreter, is ended.
inline constexpr int64_t kUnsentBytesMax = kQueuedBytesMax;

// Replies of Run, of all clients, that they have not read. Full: RESOURCE_EXHAUSTED with RetryInfo.
inline constexpr int64_t kUnreadBytesMax = 256 << 20;
inline constexpr int64_t kUnreadRetryNs = 1 * kNsPerSecond;

// One stream of tasks (RunStream). Full: the server submits no more of it and does not read on, so that HTTP/2 stops
// the sender. Tasks: in flight, or with an outcome that waits to be written; also the most in one message, where more
// end the stream with INVALID_ARGUMENT. Bytes: of outcomes, written or expected; when as many wait to be written, its
// tasks that have not started are paused. Broken: what its running tasks then still bring; the stream is cancelled.
inline constexpr int64_t kStreamTasksMax = 16384;
inline constexpr int64_t kStreamBytesMax = 64 << 20;
inline constexpr int64_t kStreamBytesBroken = 256 << 20;

// ---- connections ----
// Calls in flight on one connection. Full: the client's library holds further calls back.
inline constexpr int kStreamsPerConnectionMax = 8192;
// Calls of Monitor.WatchStats, of all clients. Full: RESOURCE_EXHAUSTED.
inline constexpr size_t kStatsWatchesMax = 64;
// Calls of Executor.Watch, of all clients. Full: RESOURCE_EXHAUSTED.
inline constexpr size_t kTaskWatchesMax = 256;
// Output in one message of theirs. More: it follows in the next.
inline constexpr size_t kWatchReplyBytesMax = 64 << 10;
// What ended tasks printed and their watchers have not been told yet. Full: RESOURCE_EXHAUSTED; the outcome has it.
inline constexpr int64_t kWatchBytesKeptMax = 64 << 20;
// A task's id in a request. Longer: INVALID_ARGUMENT.
inline constexpr size_t kTaskIdBytesMax = 64;
// Calls of grpc.health.v1.Health.Watch, of all clients. Full: RESOURCE_EXHAUSTED.
inline constexpr size_t kHealthWatchesMax = 4096;
// The name of a service in a health request. Longer: INVALID_ARGUMENT.
inline constexpr size_t kHealthNameBytesMax = 256;
// To the HTTP port. Full: they wait in the kernel's backlog, then they are refused.
inline constexpr unsigned kHttpConnectionsMax = 256;

// ---- interpreters ----
inline constexpr int kInterpretersMax = 256;  // a lane; flag refused beyond
inline constexpr int kThreadsMax = 1024;      // an I/O interpreter; flag refused beyond
// Tasks on the event loop of one I/O interpreter, beside those on its threads. Full: the next wait in the queue.
inline constexpr int kLoopTasksMax = 16384;
// Tasks that lie ready in a CPU interpreter while it is at another, where the lane's tasks are so short that all of
// them together take about kAheadNs. What still lies there after kAheadPatienceNs is taken back.
inline constexpr int kAheadTasksMax = 63;
inline constexpr int64_t kAheadNs = 2 * kNsPerMs;
inline constexpr int64_t kAheadPatienceNs = 5 * kNsPerMs;
// After so many tasks a CPU interpreter is replaced (flag --tasks-per-interpreter); and when, after a task, it has this
// part of its memory more than at its start.
inline constexpr int64_t kTasksPerInterpreterDefault = 100'000;
inline constexpr int64_t kGrowthPart = 4;
// Interpreters that nobody has used, kept ready on each core of the CPU lane for tasks that ask for one (flag
// --fresh-stock). Used up: the next waits in the queue.
inline constexpr int kFreshStockDefault = 2;
inline constexpr int kFreshStockMax = 8;
// Every so often an interpreter is looked at: one that has not claimed a task after kBeginLimitNs is replaced, and in
// the CPU lane one that uses the processor for half of the time without a task, or whose task is over its limit of
// processor time.
inline constexpr int64_t kInspectNs = 100 * kNsPerMs;
inline constexpr int64_t kBeginLimitNs = 1 * kNsPerSecond;
// A stopped task of the I/O lane has so long to end; then its interpreter is replaced.
inline constexpr int64_t kStopGraceNs = 1 * kNsPerSecond;
// A lock held so long without a break, or a lane without a ready interpreter: the lane is NOT_SERVING.
inline constexpr int64_t kProbeLimitNs = 1 * kNsPerSecond;
// An interpreter or a slot that does not report ready in this time is ended and started anew.
inline constexpr int64_t kStartLimitNs = 10 * kNsPerSecond;
// Pause before the next start after an interpreter that ended young: doubled each time, from first to most.
inline constexpr int64_t kBackOffNsFirst = 10 * kNsPerMs;
inline constexpr int64_t kBackOffNsMax = 5 * kNsPerSecond;
// How long SIGTERM waits for running tasks (flag --grace).
inline constexpr int64_t kGraceNsDefault = 10 * kNsPerSecond;

}  // namespace gild
