#include "server/interpreter/settings.h"

#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include <cstddef>

#include "server/interpreter/stop_signal.h"
#include "server/meter/interposed.h"

namespace gild {
namespace {

bool set[7];  // by setting

// The address sanitizer sets limits before its own memory is there: nothing of it may be in here.
__attribute__((no_sanitize("address"))) void Set(Setting setting) {
  __atomic_store_n(&set[static_cast<size_t>(setting)], true, __ATOMIC_SEQ_CST);
}

void SetDescriptorsFrom(int first) {
  if (first < kFirstDescriptors) Set(Setting::kDescriptors);
  if (first < kStandardDescriptors) Set(Setting::kStandardDescriptors);
}

}  // namespace

bool WasSet(Setting setting) {
  return __atomic_exchange_n(&set[static_cast<size_t>(setting)], false, __ATOMIC_SEQ_CST);
}

}  // namespace gild

// Said afterwards: who asks in between has not seen it, and is to ask again.
#define GILD_NOTICED(say, Result, name, parameters, arguments)               \
  extern "C" __attribute__((visibility("default"))) Result name parameters { \
    static auto* const real = gild::Real<Result parameters>(#name);          \
    const Result result = real arguments;                                    \
    say;                                                                     \
    return result;                                                           \
  }
#define GILD_SETS_PLACE gild::Set(gild::Setting::kPlace)

GILD_NOTICED(GILD_SETS_PLACE, int, chdir, (const char* path) noexcept, (path))
GILD_NOTICED(GILD_SETS_PLACE, int, fchdir, (int fd) noexcept, (fd))
GILD_NOTICED(GILD_SETS_PLACE, mode_t, umask, (mode_t mask) noexcept, (mask))
GILD_NOTICED(GILD_SETS_PLACE, int, chmod, (const char* path, mode_t mode) noexcept, (path, mode))
GILD_NOTICED(GILD_SETS_PLACE, int, fchmod, (int fd, mode_t mode) noexcept, (fd, mode))
GILD_NOTICED(GILD_SETS_PLACE, int, fchmodat, (int folder, const char* path, mode_t mode, int flags) noexcept,
             (folder, path, mode, flags))
GILD_NOTICED(if (stack != nullptr) GILD_SETS_PLACE, int, sigaltstack, (const stack_t* stack, stack_t* before) noexcept,
             (stack, before))
GILD_NOTICED(gild::Set(gild::Setting::kTimers), int, setitimer,
             (__itimer_which_t which, const itimerval* value, itimerval* before) noexcept, (which, value, before))
GILD_NOTICED(gild::Set(gild::Setting::kTimers), unsigned, alarm, (unsigned seconds) noexcept, (seconds))
GILD_NOTICED(gild::Set(gild::Setting::kTimers), useconds_t, ualarm, (useconds_t first, useconds_t interval) noexcept,
             (first, interval))
GILD_NOTICED(gild::SetDescriptorsFrom(to), int, dup2, (int from, int to) noexcept, (from, to))
GILD_NOTICED(gild::SetDescriptorsFrom(to), int, dup3, (int from, int to, int flags) noexcept, (from, to, flags))
GILD_NOTICED(gild::SetDescriptorsFrom(fd), int, close, (int fd), (fd))
GILD_NOTICED(gild::SetDescriptorsFrom(static_cast<int>(first)), int, close_range,
             (unsigned first, unsigned last, int flags) noexcept, (first, last, flags))

extern "C" __attribute__((visibility("default"))) int prctl(int option, ...) noexcept {
  static auto* const real = gild::Real<int(int, ...)>("prctl");
  va_list rest;
  va_start(rest, option);
  unsigned long arguments[4];  // to read those that are not there does no harm on this machine
  for (unsigned long& argument : arguments) argument = va_arg(rest, unsigned long);
  va_end(rest);
  gild::Set(gild::Setting::kPlace);
  return real(option, arguments[0], arguments[1], arguments[2], arguments[3]);
}

extern "C" __attribute__((visibility("default"))) int sigaction(int signal, const struct sigaction* action,
                                                                struct sigaction* before) noexcept {
  static auto* const real = gild::Real<int(int, const struct sigaction*, struct sigaction*)>("sigaction");
  if (action != nullptr) gild::Set(gild::Setting::kHandlers);
  if (action != nullptr && gild::IsStopSignal(signal)) {
    errno = EINVAL;
    return -1;
  }
  return real(signal, action, before);
}

extern "C" __attribute__((visibility("default"))) sighandler_t signal(int signal, sighandler_t handler) noexcept {
  static auto* const real = gild::Real<sighandler_t(int, sighandler_t)>("signal");
  gild::Set(gild::Setting::kHandlers);
  if (gild::IsStopSignal(signal)) {
    errno = EINVAL;
    return SIG_ERR;
  }
  return real(signal, handler);
}

extern "C" __attribute__((visibility("default"))) char* setlocale(int category, const char* locale) noexcept {
  static auto* const real = gild::Real<char*(int, const char*)>("setlocale");
  if (locale != nullptr) gild::Set(gild::Setting::kLocale);
  return real(category, locale);
}

extern "C" __attribute__((visibility("default"))) int setrlimit(__rlimit_resource_t resource,
                                                                const rlimit* limit) noexcept {
  static auto* const real = gild::Real<int(__rlimit_resource_t, const rlimit*)>("setrlimit");
  gild::Set(gild::Setting::kLimits);
  return real(resource, limit);
}

extern "C" __attribute__((visibility("default"))) int setrlimit64(__rlimit_resource_t resource,
                                                                  const rlimit64* limit) noexcept {
  static auto* const real = gild::Real<int(__rlimit_resource_t, const rlimit64*)>("setrlimit64");
  gild::Set(gild::Setting::kLimits);
  return real(resource, limit);
}

extern "C" __attribute__((visibility("default"))) int prlimit(pid_t pid, __rlimit_resource resource,
                                                              const rlimit* limit, rlimit* before) noexcept {
  static auto* const real = gild::Real<int(pid_t, __rlimit_resource, const rlimit*, rlimit*)>("prlimit");
  if (limit != nullptr) gild::Set(gild::Setting::kLimits);
  return real(pid, resource, limit, before);
}

extern "C" __attribute__((visibility("default"))) int prlimit64(pid_t pid, __rlimit_resource resource,
                                                                const rlimit64* limit, rlimit64* before) noexcept {
  static auto* const real = gild::Real<int(pid_t, __rlimit_resource, const rlimit64*, rlimit64*)>("prlimit64");
  if (limit != nullptr) gild::Set(gild::Setting::kLimits);
  return real(pid, resource, limit, before);
}
