// Blocking calls that let go: gild-interpreter defines the libc calls that CPython blocks in (sleep, read, recv, poll,
// select, waitpid, sem_wait, …). Each forwards; when a signal interrupts it and its task has been asked to stop, it
// returns at once instead of being retried (PEP 475): a sleep as elapsed, a semaphore as timed out, I/O as ECANCELED.
//
// What it cannot reach: code that never returns to Python or to one of these calls (a C loop, getaddrinfo). That costs
// the interpreter.
//
// Known limit: `with lock:` on a plain threading.Lock that the task waits for goes on as if it had the lock, and its
// exit releases it. The stop is raised before the body does anything that matters, but a lock shared with another task
// is then free too early. RLock, Condition, Event and Queue are not affected: they check who owns them.
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <semaphore.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>

#include "server/base/clock.h"
#include "server/interpreter/task_state.h"
#include "server/meter/interposed.h"

namespace gild {
namespace {

// CPython also waits on semaphores of its own, for microseconds, and believes that it got them. A user's lock is one
// that has been waited for longer; a stop signal comes again and again, so the next one finds it.
constexpr int64_t kOwnLockNs = 1 * kNsPerMs;

bool Stopped() {
  const TaskState* const task = CurrentTask();
  return task != nullptr && task->stop.load(std::memory_order_relaxed);
}

template <typename Result>
Result CancelledIfStopped(Result result) {
  if (result != static_cast<Result>(-1)) return result;
  if (errno == EINTR && Stopped()) errno = ECANCELED;
  if (errno == ENOSPC) {
    if (TaskState* const task = CurrentTask()) task->no_space.store(true, std::memory_order_relaxed);
  }
  return result;
}

int TimedOutIfStopped(int result, int64_t began_ns) {
  if (result == -1 && errno == EINTR && NowNs() - began_ns > kOwnLockNs && Stopped()) errno = ETIMEDOUT;
  return result;
}

}  // namespace
}  // namespace gild

// One definition for each call: forward, then say "cancelled" instead of "interrupted".
#define GILD_CANCELLABLE(Result, name, parameters, arguments)                \
  extern "C" __attribute__((visibility("default"))) Result name parameters { \
    static auto* const real = gild::Real<Result parameters>(#name);          \
    return gild::CancelledIfStopped(real arguments);                         \
  }

GILD_CANCELLABLE(ssize_t, read, (int fd, void* buffer, size_t bytes), (fd, buffer, bytes))
GILD_CANCELLABLE(ssize_t, write, (int fd, const void* buffer, size_t bytes), (fd, buffer, bytes))
GILD_CANCELLABLE(ssize_t, readv, (int fd, const iovec* pieces, int count), (fd, pieces, count))
GILD_CANCELLABLE(ssize_t, writev, (int fd, const iovec* pieces, int count), (fd, pieces, count))
GILD_CANCELLABLE(ssize_t, recv, (int fd, void* buffer, size_t bytes, int flags), (fd, buffer, bytes, flags))
GILD_CANCELLABLE(ssize_t, recvmsg, (int fd, msghdr* message, int flags), (fd, message, flags))
GILD_CANCELLABLE(ssize_t, recvfrom,
                 (int fd, void* buffer, size_t bytes, int flags, sockaddr* address, socklen_t* length),
                 (fd, buffer, bytes, flags, address, length))
GILD_CANCELLABLE(ssize_t, send, (int fd, const void* buffer, size_t bytes, int flags), (fd, buffer, bytes, flags))
GILD_CANCELLABLE(ssize_t, sendmsg, (int fd, const msghdr* message, int flags), (fd, message, flags))
GILD_CANCELLABLE(ssize_t, sendto,
                 (int fd, const void* buffer, size_t bytes, int flags, const sockaddr* address, socklen_t length),
                 (fd, buffer, bytes, flags, address, length))
GILD_CANCELLABLE(int, connect, (int fd, const sockaddr* address, socklen_t length), (fd, address, length))
GILD_CANCELLABLE(int, accept, (int fd, sockaddr* address, socklen_t* length), (fd, address, length))
GILD_CANCELLABLE(int, accept4, (int fd, sockaddr* address, socklen_t* length, int flags), (fd, address, length, flags))
GILD_CANCELLABLE(int, poll, (pollfd * watched, nfds_t count, int timeout_ms), (watched, count, timeout_ms))
GILD_CANCELLABLE(int, select, (int count, fd_set* reads, fd_set* writes, fd_set* errors, timeval* timeout),
                 (count, reads, writes, errors, timeout))
GILD_CANCELLABLE(int, epoll_wait, (int epoll, epoll_event* events, int count, int timeout_ms),
                 (epoll, events, count, timeout_ms))
GILD_CANCELLABLE(ssize_t, sendfile, (int out, int in, off_t* offset, size_t bytes), (out, in, offset, bytes))
GILD_CANCELLABLE(ssize_t, sendfile64, (int out, int in, off64_t* offset, size_t bytes), (out, in, offset, bytes))
GILD_CANCELLABLE(ssize_t, splice,
                 (int in, off64_t* in_offset, int out, off64_t* out_offset, size_t bytes, unsigned flags),
                 (in, in_offset, out, out_offset, bytes, flags))
GILD_CANCELLABLE(int, lockf, (int fd, int operation, off_t bytes), (fd, operation, bytes))
GILD_CANCELLABLE(int, lockf64, (int fd, int operation, off64_t bytes), (fd, operation, bytes))
GILD_CANCELLABLE(int, sigwaitinfo, (const sigset_t* set, siginfo_t* info), (set, info))
GILD_CANCELLABLE(int, sigtimedwait, (const sigset_t* set, siginfo_t* info, const timespec* timeout),
                 (set, info, timeout))
GILD_CANCELLABLE(pid_t, wait, (int* status), (status))
GILD_CANCELLABLE(pid_t, wait3, (int* status, int options, rusage* usage), (status, options, usage))
GILD_CANCELLABLE(pid_t, waitpid, (pid_t pid, int* status, int options), (pid, status, options))
GILD_CANCELLABLE(pid_t, wait4, (pid_t pid, int* status, int options, rusage* usage), (pid, status, options, usage))
GILD_CANCELLABLE(int, waitid, (idtype_t type, id_t id, siginfo_t* info, int options), (type, id, info, options))

// Those with a last argument that is not always there; to read it when it is not does no harm on this machine.
#define GILD_CANCELLABLE_VARIADIC(Result, name, parameters, last, arguments) \
  extern "C" __attribute__((visibility("default"))) Result name parameters { \
    static auto* const real = gild::Real<Result parameters>(#name);          \
    va_list rest;                                                            \
    va_start(rest, last);                                                    \
    void* const optional = va_arg(rest, void*);                              \
    va_end(rest);                                                            \
    return gild::CancelledIfStopped(real arguments);                         \
  }

GILD_CANCELLABLE_VARIADIC(int, open, (const char* path, int flags, ...), flags, (path, flags, optional))
GILD_CANCELLABLE_VARIADIC(int, open64, (const char* path, int flags, ...), flags, (path, flags, optional))
GILD_CANCELLABLE_VARIADIC(int, openat, (int folder, const char* path, int flags, ...), flags,
                          (folder, path, flags, optional))
GILD_CANCELLABLE_VARIADIC(int, openat64, (int folder, const char* path, int flags, ...), flags,
                          (folder, path, flags, optional))
GILD_CANCELLABLE_VARIADIC(int, fcntl, (int fd, int command, ...), command, (fd, command, optional))
GILD_CANCELLABLE_VARIADIC(int, fcntl64, (int fd, int command, ...), command, (fd, command, optional))

extern "C" {

// glibc's own would be interrupted and go on waiting.
__attribute__((visibility("default"))) int sigwait(const sigset_t* set, int* signal) {
  while (true) {
    const int found = sigwaitinfo(set, nullptr);
    if (found > 0) *signal = found;
    if (found > 0) return 0;
    if (errno != EINTR) return errno;
  }
}

__attribute__((visibility("default"))) int clock_nanosleep(clockid_t clock, int flags, const timespec* length,
                                                           timespec* left) {
  static auto* const real = gild::Real<int(clockid_t, int, const timespec*, timespec*)>("clock_nanosleep");
  const int error = real(clock, flags, length, left);
  return error == EINTR && gild::Stopped() ? 0 : error;
}

__attribute__((visibility("default"))) int nanosleep(const timespec* length, timespec* left) {
  static auto* const real = gild::Real<int(const timespec*, timespec*)>("nanosleep");
  const int result = real(length, left);
  return result == -1 && errno == EINTR && gild::Stopped() ? 0 : result;
}

__attribute__((visibility("default"))) int flock(int fd, int operation) noexcept {
  static auto* const real = gild::Real<int(int, int)>("flock");
  // The slot's init, which locks for us, does not wait (sandbox/file_lock).
  timespec pause = {.tv_sec = 0, .tv_nsec = 250'000};
  while (true) {
    const int result = real(fd, operation);
    if (result == 0 || errno != EWOULDBLOCK || (operation & LOCK_NB) != 0) return gild::CancelledIfStopped(result);
    const bool interrupted = nanosleep(&pause, nullptr) != 0;
    if (gild::Stopped()) break;
    // Python has signals to handle, and comes again.
    if (interrupted) {
      errno = EINTR;
      return -1;
    }
    pause.tv_nsec = std::min(2 * pause.tv_nsec, 16'000'000L);
  }
  errno = ECANCELED;
  return -1;
}

__attribute__((visibility("default"))) int sem_wait(sem_t* semaphore) {
  static auto* const real = gild::Real<int(sem_t*)>("sem_wait");
  if (gild::CurrentTask() == nullptr) return real(semaphore);
  const int64_t began_ns = gild::NowNs();
  return gild::TimedOutIfStopped(real(semaphore), began_ns);
}

__attribute__((visibility("default"))) int sem_timedwait(sem_t* semaphore, const timespec* until) {
  static auto* const real = gild::Real<int(sem_t*, const timespec*)>("sem_timedwait");
  if (gild::CurrentTask() == nullptr) return real(semaphore, until);
  const int64_t began_ns = gild::NowNs();
  return gild::TimedOutIfStopped(real(semaphore, until), began_ns);
}

__attribute__((visibility("default"))) int sem_clockwait(sem_t* semaphore, clockid_t clock, const timespec* until) {
  static auto* const real = gild::Real<int(sem_t*, clockid_t, const timespec*)>("sem_clockwait");
  if (gild::CurrentTask() == nullptr) return real(semaphore, clock, until);
  const int64_t began_ns = gild::NowNs();
  return gild::TimedOutIfStopped(real(semaphore, clock, until), began_ns);
}

}  // extern "C"
