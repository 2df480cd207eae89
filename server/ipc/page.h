// The page: one shared memory file per interpreter, written by the child, read by the server at any time, even while
// the interpreter's lock is held for ever.
//
// The server makes it as a sealed memfd (a child cannot shrink it, so no access of the server's can fault) and hands
// it down; both map it. It holds the lock meter's sums for the interpreter and, in rows, for each task in flight, who
// holds the lock now, a death note, and each task's output. Output in the page survives a kill.
//
// Thread rule: every field is a relaxed atomic; a field has one writer at a time (most are written under the
// interpreter's own lock). Figures of one moment may be torn against each other by one event, never within themselves.
// All of it is the child's word: the server copies before it validates, and clamps.
//
// Layout: PageHeader | Row × rows | padding to 4096 | rows × (stdout kOutputBytesMax, stderr kOutputBytesMax), sparse.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "server/task/capacity.h"

namespace gild {

struct LockCounters {
  std::atomic<int64_t> wait_ns;
  std::atomic<int64_t> hold_ns;
  std::atomic<uint64_t> takes;
  std::atomic<uint64_t> contended_takes;
  std::atomic<uint64_t> forced_releases;
  std::atomic<int64_t> longest_hold_ns;
};

// What ended the interpreter, noted by the thread that did it, just before.
enum class Death : uint32_t {
  kNone = 0,
  kSignal = 1,      // a fault or abort(), met on the way out; `death_detail` is the signal's number
  kExit = 2,        // _exit(); `death_detail` is the code
  kSentSignal = 3,  // it sends itself a signal, which it may survive; `death_detail` is its number
};

// How an interpreter exits that has lost its channel without being killed (its task closed it, say). With no death note
// of a task's own _exit beside it.
inline constexpr int kExitOfLostChannel = 70;
// And one whose event loop has died.
inline constexpr int kExitOfLostLoop = 71;
// And one with a forgotten session whose finalizers would not end.
inline constexpr int kExitOfStuckSession = 72;
// And one of many tasks in which none runs any more, but processes that they have started do.
inline constexpr int kExitOfLeftProcesses = 73;

struct PageHeader {
  std::atomic<uint32_t> rows;  // set by the server
  std::atomic<uint32_t> meter_available;
  LockCounters lock;
  std::atomic<int32_t> waiters;
  // The hold that is going on: since when (0: the lock is free) and by which task (0: the interpreter itself).
  std::atomic<int64_t> holder_since_ns;
  std::atomic<uint64_t> holder_serial;
  std::atomic<uint32_t> death;  // a Death
  std::atomic<int32_t> death_detail;
  std::atomic<uint64_t> death_serial;  // 0: no task of ours
};

struct Row {
  // Whose a task is that was handed over ahead of its turn: the interpreter takes it when its turn has come, the server
  // may take it back before (Offer, Take).
  std::atomic<uint64_t> claim;
  // The child writes begin_ns after all else of its beginning, so that `begin_ns != 0 && serial == mine` says the task
  // began.
  std::atomic<uint64_t> serial;
  std::atomic<int64_t> begin_ns;
  // One-thread interpreters: CPU time of the process when the task began (to tell what a killed task used).
  std::atomic<int64_t> process_cpu_at_begin_ns;
  // And up to here the peak that its reaper sees may be an earlier task's child's.
  std::atomic<int64_t> unknown_peak_bytes;
  LockCounters lock;
  // Since when a thread of its task wants the lock, and how many do; 0: none.
  std::atomic<int64_t> waiting_since_ns;
  std::atomic<int32_t> waiting_threads;
  // Grow once the bytes are there: a watcher reads along.
  std::atomic<uint64_t> out_bytes;
  std::atomic<uint64_t> err_bytes;
  std::atomic<uint32_t> out_truncated;
  std::atomic<uint32_t> err_truncated;
  // gild.progress(done, total), as told last. `progress_changes` is odd while it is being written, and even after; 0:
  // never.
  std::atomic<uint64_t> progress_changes;
  std::atomic<uint64_t> progress_done;
  std::atomic<uint64_t> progress_total;
};

// The serial of the task, and whether it is still on offer: of two that want it one wins.
inline void Offer(Row* row, uint64_t serial) { row->claim.store(serial << 1 | 1); }
// True: it is the caller's, the interpreter's or the server's. False: it is the other's, or was another task's offer.
inline bool Take(Row* row, uint64_t serial) {
  uint64_t offered = serial << 1 | 1;
  return row->claim.compare_exchange_strong(offered, serial << 1);
}

static_assert(std::atomic<int64_t>::is_always_lock_free && std::atomic<uint32_t>::is_always_lock_free);

// Offsets in bytes from the start of the page.
struct PageLayout {
  uint32_t rows;

  static constexpr size_t kAlignment = 4096;

  size_t RowOffset(uint32_t row) const { return sizeof(PageHeader) + row * sizeof(Row); }
  // Header and rows: all that the server maps.
  size_t TableBytes() const { return (RowOffset(rows) + kAlignment - 1) / kAlignment * kAlignment; }
  size_t OutOffset(uint32_t row) const { return TableBytes() + size_t{row} * 2 * kOutputBytesMax; }
  size_t ErrOffset(uint32_t row) const { return OutOffset(row) + kOutputBytesMax; }
  size_t FileBytes() const { return OutOffset(rows); }
};

}  // namespace gild
