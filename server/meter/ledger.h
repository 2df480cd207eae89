// The ledger: who wanted the lock, who had it, and for how long, per thread, per task and per interpreter.
//
// Pure book-keeping, with no CPython and no clock in it: the hooks (lock_hooks.cc) call it with the time, unit tests call
// it directly. Every sum goes straight into the shared page (server/ipc/page.h), where the server can read it while the
// lock is held for ever.
//
// Thread rule, which is CPython's own: OnTake, OnRelease and Leave are called by the thread that holds the lock, so they
// exclude each other and plain read-modify-write is enough. OnWant and OnForcedRelease are called without it: beside the
// calling thread's figures they touch only who waits, in the page and in the row, by atomic read-modify-write; and Leave
// may take the row away from them meanwhile. Nothing here allocates, locks, or calls Python.
#pragma once

#include <atomic>
#include <cstdint>

#include "server/ipc/page.h"

namespace gild {

// The books of one thread. Lives as long as its thread; zero-initialised, so that it can be a plain thread_local.
struct ThreadLedger {
  std::atomic<Row*> row{nullptr};  // where the sums of the thread's task go; null: the thread works for no task
  std::atomic<uint64_t> serial{0};
  int64_t hold_since_ns = 0;  // 0: it does not have the lock
  int64_t want_since_ns = 0;  // 0: it does not want the lock
  int64_t released_ns = 0;    // when it last let go
  int64_t held_ns = 0;        // in all, without the hold that is going on
  bool forced = false;        // it was made to let go; counted when it takes the lock again

  // In all, until now. Asked by the thread itself.
  int64_t HeldNs(int64_t now_ns) const { return held_ns + (hold_since_ns == 0 ? 0 : now_ns - hold_since_ns); }
};

class Ledger {
 public:
  // Until Attach, sums go to a private page of no interest.
  Ledger();

  // From now on sums go to `page`. Call before tasks run. `meter_available` is published there.
  void Attach(PageHeader* page, bool meter_available);
  // Sums go nowhere again: for a process that a task forked, which must not write into its parent's page.
  void Detach();

  // The calling thread has found the lock taken and begins to wait.
  void OnWant(ThreadLedger* thread, int64_t now_ns);
  // The calling thread has the lock.
  void OnTake(ThreadLedger* thread, int64_t now_ns);
  // The calling thread lets go of the lock.
  void OnRelease(ThreadLedger* thread, int64_t now_ns);
  // The calling thread let go because another asked: it wants the lock back since that very moment (the one it woke may
  // have pushed it off its core in between).
  void OnForcedRelease(ThreadLedger* thread);

  // The thread begins to work for a task. REQUIRES: it neither has nor wants the lock, or it has it.
  void Enter(ThreadLedger* thread, Row* row, uint64_t serial, int64_t now_ns);
  // It works for no task any more; its task's other threads leave now, too. REQUIRES: the calling thread has the lock
  // (`thread` may be another one's).
  // What `thread` has held so far is closed into the task's books.
  void Leave(ThreadLedger* thread, int64_t now_ns);

 private:
  void CloseHold(ThreadLedger* thread, int64_t now_ns);

  PageHeader private_page_;
  PageHeader* page_;
};

}  // namespace gild
