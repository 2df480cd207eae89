// What the thread sanitizer must know of Debian's libraries, which are built without it. Part of every executable of
// such a build (CMakeLists.txt), and of no other.
//
// gRPC, libmicrohttpd: what their queues and pipes order it cannot see; races with no frame of theirs are still
// reported. absl::Mutex: without this it would see no synchronisation there and report races where there are none. An
// executable's definition of a function goes before a shared library's: these stand in front of abseil's own and call
// them.
#include <dlfcn.h>
#include <grpc/grpc.h>
#include <sanitizer/tsan_interface.h>

#include <cstdlib>

#include "absl/base/config.h"
#include "absl/base/options.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"

// Of the sanitizer's library (tsan_interface_ann.h), in no public header.
extern "C" void AnnotateIgnoreReadsBegin(const char* file, int line);
extern "C" void AnnotateIgnoreReadsEnd(const char* file, int line);

// Of the executable, by the linker (end(3)).
extern "C" const char __executable_start;
extern "C" const char etext;

namespace absl {
ABSL_NAMESPACE_BEGIN

namespace {

template <typename Function>
Function* Real(const char* mangled_name) {
  void* const found = dlsym(RTLD_NEXT, mangled_name);
  if (found == nullptr) abort();  // another abseil: the names below must follow
  return reinterpret_cast<Function*>(found);
}

bool IsOurs(const void* caller) { return caller >= &__executable_start && caller < &etext; }

}  // namespace

// A library that was built without the sanitizer calls in here as well (gRPC). Its locks are not looked at: it also
// lets go of them in ways that are not seen here, and would leave false traces for whoever uses the memory next.
#define GILD_ONLY_FOR_OURS(call) \
  if (!IsOurs(__builtin_return_address(0))) return call

// On every ABI that gild is built for, a member function is called as a function with `this` first.
#define GILD_REAL(function, mangled, type) static auto* const function = Real<type>("_ZN4absl7debian35Mutex" mangled)

void Mutex::Lock() {
  GILD_REAL(real, "4LockEv", void(Mutex*));
  GILD_ONLY_FOR_OURS(real(this));
  __tsan_mutex_pre_lock(this, 0);
  real(this);
  __tsan_mutex_post_lock(this, 0, 0);
}

void Mutex::Unlock() {
  GILD_REAL(real, "6UnlockEv", void(Mutex*));
  GILD_ONLY_FOR_OURS(real(this));
  // Between the two, accesses are not looked at: conditions of other waiters are evaluated in here.
  __tsan_mutex_pre_unlock(this, 0);
  real(this);
  __tsan_mutex_post_unlock(this, 0);
}

bool Mutex::TryLock() {
  GILD_REAL(real, "7TryLockEv", bool(Mutex*));
  GILD_ONLY_FOR_OURS(real(this));
  __tsan_mutex_pre_lock(this, __tsan_mutex_try_lock);
  const bool locked = real(this);
  __tsan_mutex_post_lock(this, __tsan_mutex_try_lock | (locked ? 0 : __tsan_mutex_try_lock_failed), 0);
  return locked;
}

void Mutex::ReaderLock() {
  GILD_REAL(real, "10ReaderLockEv", void(Mutex*));
  GILD_ONLY_FOR_OURS(real(this));
  __tsan_mutex_pre_lock(this, __tsan_mutex_read_lock);
  real(this);
  __tsan_mutex_post_lock(this, __tsan_mutex_read_lock, 0);
}

void Mutex::ReaderUnlock() {
  GILD_REAL(real, "12ReaderUnlockEv", void(Mutex*));
  GILD_ONLY_FOR_OURS(real(this));
  __tsan_mutex_pre_unlock(this, __tsan_mutex_read_lock);
  real(this);
  __tsan_mutex_post_unlock(this, __tsan_mutex_read_lock);
}

// Awaiting with a shared lock is not used in gild.
void Mutex::Await(const Condition& condition) {
  GILD_REAL(real, "5AwaitERKNS0_9ConditionE", void(Mutex*, const Condition&));
  GILD_ONLY_FOR_OURS(real(this, condition));
  __tsan_mutex_pre_unlock(this, 0);
  __tsan_mutex_post_unlock(this, 0);
  __tsan_mutex_pre_lock(this, 0);
  real(this, condition);
  __tsan_mutex_post_lock(this, 0, 0);
}

// AwaitWithTimeout goes on to AwaitWithDeadline, by way of the name.
bool Mutex::AwaitWithDeadline(const Condition& condition, Time deadline) {
  GILD_REAL(real, "17AwaitWithDeadlineERKNS0_9ConditionENS0_4TimeE", bool(Mutex*, const Condition&, Time));
  GILD_ONLY_FOR_OURS(real(this, condition, deadline));
  __tsan_mutex_pre_unlock(this, 0);
  __tsan_mutex_post_unlock(this, 0);
  __tsan_mutex_pre_lock(this, 0);
  const bool is_so = real(this, condition, deadline);
  __tsan_mutex_post_lock(this, 0, 0);
  return is_so;
}

void Mutex::LockWhen(const Condition& condition) {
  GILD_REAL(real, "8LockWhenERKNS0_9ConditionE", void(Mutex*, const Condition&));
  GILD_ONLY_FOR_OURS(real(this, condition));
  __tsan_mutex_pre_lock(this, 0);
  real(this, condition);
  __tsan_mutex_post_lock(this, 0, 0);
}

bool Mutex::LockWhenWithDeadline(const Condition& condition, Time deadline) {
  GILD_REAL(real, "20LockWhenWithDeadlineERKNS0_9ConditionENS0_4TimeE", bool(Mutex*, const Condition&, Time));
  GILD_ONLY_FOR_OURS(real(this, condition, deadline));
  __tsan_mutex_pre_lock(this, 0);
  const bool is_so = real(this, condition, deadline);
  __tsan_mutex_post_lock(this, 0, 0);
  return is_so;
}

#undef GILD_REAL

// Its own mutex is locked inside abseil, where nobody looks: nor that it is read there until that is unlocked, which
// the waiter waits for before it lets go of the memory.
void Notification::Notify() {
  static auto* const real = Real<void(Notification*)>("_ZN4absl7debian312Notification6NotifyEv");
  __tsan_release(this);
  AnnotateIgnoreReadsBegin(__FILE__, __LINE__);
  real(this);
  AnnotateIgnoreReadsEnd(__FILE__, __LINE__);
}

void Notification::WaitForNotification() const {
  static auto* const real = Real<void(const Notification*)>("_ZNK4absl7debian312Notification19WaitForNotificationEv");
  real(this);
  __tsan_acquire(const_cast<Notification*>(this));
}

bool Notification::WaitForNotificationWithTimeout(Duration timeout) const {
  static auto* const real = Real<bool(const Notification*, Duration)>(
      "_ZNK4absl7debian312Notification30WaitForNotificationWithTimeoutENS0_8DurationE");
  const bool notified = real(this, timeout);
  if (notified) __tsan_acquire(const_cast<Notification*>(this));
  return notified;
}

ABSL_NAMESPACE_END
}  // namespace absl

extern "C" {

// What was done before an operation began is seen by the thread that its queue hands it to: the tag is the same.
// libgrpc++ is the caller of all three.
grpc_call_error grpc_call_start_batch(grpc_call* call, const grpc_op* ops, size_t count, void* tag, void* reserved) {
  static auto* const real = absl::Real<decltype(grpc_call_start_batch)>("grpc_call_start_batch");
  __tsan_release(tag);
  return real(call, ops, count, tag, reserved);
}

grpc_call_error grpc_server_request_registered_call(grpc_server* server, void* method, grpc_call** call,
                                                    gpr_timespec* deadline, grpc_metadata_array* metadata,
                                                    grpc_byte_buffer** payload, grpc_completion_queue* of_call,
                                                    grpc_completion_queue* of_notification, void* tag) {
  static auto* const real =
      absl::Real<decltype(grpc_server_request_registered_call)>("grpc_server_request_registered_call");
  __tsan_release(tag);
  return real(server, method, call, deadline, metadata, payload, of_call, of_notification, tag);
}

grpc_event grpc_completion_queue_next(grpc_completion_queue* queue, gpr_timespec deadline, void* reserved) {
  static auto* const real = absl::Real<decltype(grpc_completion_queue_next)>("grpc_completion_queue_next");
  const grpc_event event = real(queue, deadline, reserved);
  if (event.type == GRPC_OP_COMPLETE) __tsan_acquire(event.tag);
  return event;
}

const char* __tsan_default_options() {
  return "ignore_noninstrumented_modules=1:detect_deadlocks=0:report_mutex_bugs=0";
}

const char* __tsan_default_suppressions() {
  return "race:^grpc::\n"
         "race:libgrpc\n"
         "race:libmicrohttpd\n"
         // The last one to let go may look at both counts with one load, which is not seen to follow a change of one
         // (GCC 12).
         "race_top:std::_Sp_counted_base\n"
         // gRPC ends its own threads in the background, at times after main.
         "thread:grpc_core::Thread::Thread\n";
}

}  // extern "C"
