#include "server/meter/lock_hooks.h"

#include <pthread.h>
#include <sys/resource.h>

#include <atomic>
#include <cerrno>

#include "server/base/clock.h"
#include "server/base/core_binding.h"
#include "server/base/errors.h"
#include "server/meter/hog_core.h"
#include "server/meter/interposed.h"

namespace gild {
namespace {

std::atomic<pthread_cond_t*> gil_cond{nullptr};
std::atomic<pthread_mutex_t*> gil_mutex{nullptr};
std::atomic<pthread_cond_t*> switch_cond{nullptr};
std::atomic<pthread_mutex_t*> switch_mutex{nullptr};

thread_local bool learning = false;
thread_local pthread_mutex_t* last_locked = nullptr;  // while learning
thread_local ThreadLedger thread_ledger;

std::atomic<void (*)()> tell_released{nullptr};
std::atomic<void (*)()> tell_taken{nullptr};

HogCore hog_core;
thread_local CoreBinding core_binding;
thread_local int forced_in_a_row = 0;
// After 20 ms of bytecode and nothing else a thread counts as a hog. Sooner, one that computes in C between might be
// woken onto the core on which another does so.
constexpr int kHogReleases = 4;

// What CPython knows of its lock, followed from outside. Guarded by gil->mutex, which libpython holds wherever it is
// used.
struct Lock {
  const ThreadLedger* last_holder = nullptr;
  uint64_t switches = 0;  // from one holder to another
  bool taken = false;
  bool asked = false;  // its holder has been asked to let go
} lock;

// One thread's way from letting go of the lock and back to it.
struct Departure {
  bool released = false;  // it let go and has not come back
  // Sampled when it let go: whether it had been asked to, how often it had blocked, and what it had worked.
  bool asked = false;
  int64_t blocked = 0;
  int64_t cpu_ns = 0;
  uint64_t serial = 0;  // of the task that let go
};
thread_local Departure departure;

// The processor time that the way back through the eval loop may take. A few microseconds by itself; a virtual
// machine's clock counts what the host took meanwhile, too: up to half a millisecond was seen. Who had been asked, but
// let go in C before the eval loop could, and computed for less than this without the lock, is booked as waiting for so
// long: at most once in the switch interval (5 ms) that the asking takes.
constexpr int64_t kWayBackCpuNs = kNsPerMs;

int64_t TimesBlocked() {
  rusage usage;
  getrusage(RUSAGE_THREAD, &usage);
  return usage.ru_nvcsw;
}

// Not from getrusage, which is behind by up to a tick.
int64_t CpuNs() { return ClockNs(CLOCK_THREAD_CPUTIME_ID); }

void OnReleased() {
  const int64_t now_ns = NowNs();
  ProcessLedger().OnRelease(&thread_ledger, now_ns);
  lock.taken = false;
  departure = {.released = true, .asked = lock.asked, .serial = thread_ledger.serial};
  if (auto* const tell = tell_released.load(std::memory_order_relaxed); tell && departure.serial != 0) tell();
  // Last: telling may block.
  if (departure.asked) {
    departure.blocked = TimesBlocked();
    departure.cpu_ns = CpuNs();
  }
}

// Waiting for the other to take the lock is no leaving.
void OnHandShake() {
  if (departure.asked) departure.blocked = TimesBlocked();
}

void OnComingBack() {
  departure.released = false;
  const bool forced = departure.asked && departure.serial == thread_ledger.serial &&
                      TimesBlocked() == departure.blocked && CpuNs() - departure.cpu_ns < kWayBackCpuNs;
  if (forced) ProcessLedger().OnForcedRelease(&thread_ledger);
  forced_in_a_row = forced ? forced_in_a_row + 1 : 0;
  if (forced_in_a_row >= kHogReleases) core_binding.Bind(hog_core.Choose(sched_getcpu(), NowNs()));
}

// The calling thread waits for the lock until `wait` returns. After a whole switch interval in which it stayed with one
// thread, that one is asked to let go.
template <typename Wait>
int WaitForLock(Wait wait) {
  const uint64_t switches = lock.switches;
  ProcessLedger().OnWant(&thread_ledger, NowNs());
  const int error = wait();
  if (error == ETIMEDOUT && lock.taken && lock.switches == switches) lock.asked = true;
  return error;
}

void OnTaken() {
  if (lock.last_holder != &thread_ledger) ++lock.switches;
  lock.last_holder = &thread_ledger;
  lock.taken = true;
  lock.asked = false;
  ProcessLedger().OnTake(&thread_ledger, NowNs());
  if (auto* const tell = tell_taken.load(std::memory_order_relaxed); tell && thread_ledger.serial != 0) tell();
  core_binding.Undo();
}

}  // namespace

Ledger& ProcessLedger() {
  static Ledger ledger;
  return ledger;
}

ThreadLedger& CurrentThreadLedger() { return thread_ledger; }

void BeginLearning() { learning = true; }
void EndLearning() { learning = false; }
bool SawWait() { return gil_cond.load(std::memory_order_relaxed) != nullptr; }
bool LockHooksCalibrated() { return switch_cond.load(std::memory_order_relaxed) != nullptr; }
void TellOfLock(void (*released)(), void (*taken)()) {
  tell_released = released;
  tell_taken = taken;
}

}  // namespace gild

extern "C" {

__attribute__((visibility("default"))) int pthread_cond_timedwait(pthread_cond_t* cond, pthread_mutex_t* mutex,
                                                                  const timespec* until) {
  // The conditions are versioned; the oldest are another algorithm on other fields.
  static auto* const real = gild::Real<decltype(pthread_cond_timedwait)>("pthread_cond_timedwait", "GLIBC_2.3.2");
  if (gild::learning && !gild::SawWait()) {
    gild::gil_mutex.store(mutex, std::memory_order_relaxed);
    gild::gil_cond.store(cond, std::memory_order_relaxed);
  }
  if (cond == gild::gil_cond.load(std::memory_order_relaxed)) {
    return gild::WaitForLock([&] { return real(cond, mutex, until); });
  }
  return real(cond, mutex, until);
}

__attribute__((visibility("default"))) int pthread_cond_signal(pthread_cond_t* cond) noexcept {
  static auto* const real = gild::Real<decltype(pthread_cond_signal)>("pthread_cond_signal", "GLIBC_2.3.2");
  pthread_cond_t* const released = gild::gil_cond.load(std::memory_order_relaxed);
  if (gild::learning && released != nullptr && cond != released && !gild::LockHooksCalibrated()) {
    gild::switch_mutex.store(gild::last_locked, std::memory_order_relaxed);
    gild::switch_cond.store(cond, std::memory_order_relaxed);
  }
  if (cond == released) {
    gild::OnReleased();
  } else if (cond == gild::switch_cond.load(std::memory_order_relaxed)) {
    gild::OnTaken();
  }
  return real(cond);
}

__attribute__((visibility("default"))) int pthread_cond_wait(pthread_cond_t* cond, pthread_mutex_t* mutex) {
  static auto* const real = gild::Real<decltype(pthread_cond_wait)>("pthread_cond_wait", "GLIBC_2.3.2");
  const int error = real(cond, mutex);
  if (cond == gild::switch_cond.load(std::memory_order_relaxed)) gild::OnHandShake();
  return error;
}

__attribute__((visibility("default"))) int pthread_mutex_lock(pthread_mutex_t* mutex) noexcept {
  static auto* const real = gild::Real<int(pthread_mutex_t*)>("pthread_mutex_lock", "GLIBC_2.2.5");
  if (gild::learning) gild::last_locked = mutex;
  if (!gild::departure.released) return real(mutex);
  if (mutex == gild::gil_mutex.load(std::memory_order_relaxed)) gild::OnComingBack();
  const int error = real(mutex);
  if (mutex == gild::switch_mutex.load(std::memory_order_relaxed)) gild::OnHandShake();
  return error;
}

}  // extern "C"
