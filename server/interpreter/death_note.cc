#include "server/interpreter/death_note.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "server/base/errors.h"
#include "server/interpreter/task_state.h"
#include "server/meter/interposed.h"

namespace gild {
namespace {

constexpr size_t kAlternateStackBytes = 64 << 10;

PageHeader* page = nullptr;
pid_t noted_process = 0;

// Async-signal-safe. The first note is the one to keep, unless it was about a signal that has been survived.
void Note(Death death, int detail) {
  // A child's end is not ours. CPython's subprocess makes its children by vfork: until they exec they have this very
  // memory.
  if (page == nullptr || getpid() != noted_process) return;
  const TaskState* task = CurrentTask();
  const auto noted = static_cast<Death>(page->death.load());
  if (noted != Death::kNone && noted != Death::kSentSignal) return;
  page->death_detail.store(detail);
  page->death_serial.store(task == nullptr ? 0 : task->serial);
  page->death.store(static_cast<uint32_t>(death));
}

void OnFatalSignal(int signal) {
  Note(Death::kSignal, signal);
  // SA_RESETHAND has put the default back: this one ends us.
  syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), signal);
}

}  // namespace

void InstallDeathNote(PageHeader* where) {
  page = where;
  noted_process = getpid();
  for (const int signal : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGSYS, SIGTRAP}) {
    struct sigaction action {};
    action.sa_handler = OnFatalSignal;
    sigemptyset(&action.sa_mask);
    action.sa_flags = SA_ONSTACK | SA_RESETHAND | SA_NODEFER;
    GILD_CHECK(sigaction(signal, &action, nullptr) == 0);
  }
}

void UseAlternateStack() {
  void* const memory =
      mmap(nullptr, kAlternateStackBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) return;  // a stack overflow will go unnoted, nothing worse
  const stack_t stack{.ss_sp = memory, .ss_flags = 0, .ss_size = kAlternateStackBytes};
  sigaltstack(&stack, nullptr);
}

void ClearDeathNote(uint64_t serial) {
  if (page->death_serial.load() == serial) page->death.store(static_cast<uint32_t>(Death::kNone));
}

}  // namespace gild

extern "C" {

__attribute__((visibility("default"))) void _exit(int code) {
  gild::Note(gild::Death::kExit, code);
  while (true) syscall(SYS_exit_group, code);
}

// Without the functions that were registered to run then: an earlier task's may be among them, and whose ends a static
// object may end it under another thread.
__attribute__((visibility("default"))) void exit(int code) noexcept {
  fflush(nullptr);
  _exit(code);
}

__attribute__((visibility("default"))) int kill(pid_t pid, int signal) noexcept {
  static auto* const real = gild::Real<int(pid_t, int)>("kill");
  if (signal != 0 && (pid == getpid() || pid == 0 || pid == -1 || pid == -getpgrp()))
    gild::Note(gild::Death::kSentSignal, signal);
  return real(pid, signal);
}

__attribute__((visibility("default"))) int killpg(pid_t group, int signal) noexcept {
  static auto* const real = gild::Real<int(pid_t, int)>("killpg");
  if (signal != 0 && (group == 0 || group == getpgrp())) gild::Note(gild::Death::kSentSignal, signal);
  return real(group, signal);
}

__attribute__((visibility("default"))) int raise(int signal) noexcept {
  static auto* const real = gild::Real<int(int)>("raise");
  gild::Note(gild::Death::kSentSignal, signal);
  return real(signal);
}

__attribute__((visibility("default"))) int pthread_kill(pthread_t thread, int signal) noexcept {
  static auto* const real = gild::Real<int(pthread_t, int)>("pthread_kill");
  if (signal != 0) gild::Note(gild::Death::kSentSignal, signal);
  return real(thread, signal);
}

__attribute__((visibility("default"))) int sigqueue(pid_t pid, int signal, const union sigval value) noexcept {
  static auto* const real = gild::Real<int(pid_t, int, const union sigval)>("sigqueue");
  if (signal != 0 && pid == getpid()) gild::Note(gild::Death::kSentSignal, signal);
  return real(pid, signal, value);
}

__attribute__((visibility("default"))) int pthread_sigqueue(pthread_t thread, int signal,
                                                            const union sigval value) noexcept {
  static auto* const real = gild::Real<int(pthread_t, int, const union sigval)>("pthread_sigqueue");
  if (signal != 0) gild::Note(gild::Death::kSentSignal, signal);
  return real(thread, signal, value);
}

}  // extern "C"
