// The hooks: gild-interpreter defines pthread_cond_timedwait, pthread_cond_signal, pthread_cond_wait and
// pthread_mutex_lock itself, so that every wait for the lock, every take and every release passes here, on the thread
// that does it.
//
// How libpython uses them (Python/ceval_gil.h, 3.11 to 3.13): timedwait(gil->cond) while the lock is taken;
// signal(gil->switch_cond) each time it takes the lock; signal(gil->cond) each time it lets go. When it let go while
// another thread asked for the lock, a hand-shake follows: it locks gil->switch_mutex, and may wait(gil->switch_cond)
// until the other has the lock. The addresses are learned at start-up by one deliberate contended acquire, so nothing
// depends on CPython's private layout.
//
// When was a release forced? A waiter asks the holder to let go when a timed wait of its (the switch interval, 5 ms)
// ran out and the lock did not change hands meanwhile: that much is seen here as CPython sees it (by threads, where it
// goes by thread states). But a thread that was asked may also let go by itself, in order to sleep or to compute
// without the lock. It was forced when it comes straight back, when it neither blocked nor worked in between, which the
// kernel tells (getrusage(RUSAGE_THREAD) voluntary switches, thread CPU time). Then it has wanted the lock since the
// release, although the one it woke may have pushed it off its core.
//
// What it cannot see: a free-threaded build has no lock; there the learning never completes and the meter says so.
#pragma once

#include "server/meter/ledger.h"

namespace gild {

// This process's books, and the calling thread's.
Ledger& ProcessLedger();
ThreadLedger& CurrentThreadLedger();

// Between these two on one thread, that thread's first timed wait names gil->cond and gil->mutex, and its next signal
// of another condition names gil->switch_cond, under gil->switch_mutex, the last it locked.
void BeginLearning();
void EndLearning();
// The learning thread has begun to wait: time to let go of the lock.
bool SawWait();
// All are known: every hook is at work.
bool LockHooksCalibrated();

// These are called on each thread that lets go of the lock, or takes it, while it works for a task; null, as at first:
// nobody is told. Under gil->mutex: they must be short and not want the lock.
void TellOfLock(void (*released)(), void (*taken)());

}  // namespace gild
