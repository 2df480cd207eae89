#include "server/meter/ledger.h"

#include <cstring>

namespace gild {
namespace {

// Only one thread at a time writes these (see the thread rule), so no locked instruction is needed.
template <typename T, typename Amount>
void Add(std::atomic<T>* counter, Amount amount) {
  counter->store(counter->load(std::memory_order_relaxed) + static_cast<T>(amount), std::memory_order_relaxed);
}

void AddHold(LockCounters* counters, int64_t held_ns) {
  Add(&counters->hold_ns, held_ns);
  if (held_ns > counters->longest_hold_ns.load(std::memory_order_relaxed)) {
    counters->longest_hold_ns.store(held_ns, std::memory_order_relaxed);
  }
}

void AddTake(LockCounters* counters, bool contended, int64_t waited_ns, bool forced) {
  Add(&counters->takes, 1);
  if (contended) {
    Add(&counters->contended_takes, 1);
    Add(&counters->wait_ns, waited_ns);
  }
  if (forced) Add(&counters->forced_releases, 1);
}

// Threads of one task may wait at the same time. `waiting_since_ns` is then the first one's begin; once one of them has
// taken the lock, that moment: never too early.
void BeginWait(Row* row, int64_t now_ns) {
  if (row->waiting_threads.fetch_add(1) <= 0) row->waiting_since_ns.store(now_ns);
}

void EndWait(Row* row, int64_t now_ns) {
  row->waiting_since_ns.store(row->waiting_threads.fetch_sub(1) <= 1 ? 0 : now_ns);
}

}  // namespace

Ledger::Ledger() : page_(&private_page_) { std::memset(static_cast<void*>(&private_page_), 0, sizeof private_page_); }

void Ledger::Attach(PageHeader* page, bool meter_available) {
  page_ = page;
  page_->meter_available.store(meter_available, std::memory_order_relaxed);
}

void Ledger::Detach() { page_ = &private_page_; }

void Ledger::OnWant(ThreadLedger* thread, int64_t now_ns) {
  if (thread->want_since_ns != 0) return;  // one wait is many timed waits
  thread->want_since_ns = now_ns;
  page_->waiters.fetch_add(1, std::memory_order_relaxed);
  Row* const row = thread->row.load();
  if (row == nullptr) return;
  BeginWait(row, now_ns);
  // Its task has ended in between (Leave): the row may be another task's soon.
  if (thread->row.load() != row) EndWait(row, now_ns);
}

void Ledger::OnTake(ThreadLedger* thread, int64_t now_ns) {
  const bool contended = thread->want_since_ns != 0;
  const int64_t waited_ns = contended ? now_ns - thread->want_since_ns : 0;
  AddTake(&page_->lock, contended, waited_ns, thread->forced);
  Row* const row = thread->row.load(std::memory_order_relaxed);
  if (row != nullptr) AddTake(&row->lock, contended, waited_ns, thread->forced);
  if (contended) {
    page_->waiters.fetch_sub(1, std::memory_order_relaxed);
    if (row != nullptr) EndWait(row, now_ns);
  }
  thread->want_since_ns = 0;
  thread->forced = false;
  thread->hold_since_ns = now_ns;
  page_->holder_serial.store(thread->serial, std::memory_order_relaxed);
  page_->holder_since_ns.store(now_ns, std::memory_order_relaxed);
}

void Ledger::CloseHold(ThreadLedger* thread, int64_t now_ns) {
  const int64_t held_ns = now_ns - thread->hold_since_ns;
  thread->held_ns += held_ns;
  AddHold(&page_->lock, held_ns);
  if (Row* const row = thread->row.load(std::memory_order_relaxed)) AddHold(&row->lock, held_ns);
}

void Ledger::OnRelease(ThreadLedger* thread, int64_t now_ns) {
  if (thread->hold_since_ns == 0) return;  // it took the lock before the meter was calibrated
  CloseHold(thread, now_ns);
  thread->hold_since_ns = 0;
  thread->released_ns = now_ns;
  page_->holder_since_ns.store(0, std::memory_order_relaxed);
}

void Ledger::OnForcedRelease(ThreadLedger* thread) {
  thread->forced = true;
  OnWant(thread, thread->released_ns);
}

void Ledger::Enter(ThreadLedger* thread, Row* row, uint64_t serial, int64_t now_ns) {
  if (thread->hold_since_ns != 0) {
    CloseHold(thread, now_ns);
    thread->hold_since_ns = now_ns;
    page_->holder_serial.store(serial, std::memory_order_relaxed);
    page_->holder_since_ns.store(now_ns, std::memory_order_relaxed);
  }
  thread->row = row;
  thread->serial = serial;
}

void Ledger::Leave(ThreadLedger* thread, int64_t now_ns) {
  if (thread->hold_since_ns != 0) {
    CloseHold(thread, now_ns);
    thread->hold_since_ns = now_ns;
    page_->holder_serial.store(0, std::memory_order_relaxed);
    page_->holder_since_ns.store(now_ns, std::memory_order_relaxed);
  }
  if (Row* const row = thread->row.exchange(nullptr)) {
    // A task's threads leave together: no wait in its row counts any more.
    row->waiting_threads.store(0);
    row->waiting_since_ns.store(0);
  }
  thread->serial = 0;
}

}  // namespace gild
