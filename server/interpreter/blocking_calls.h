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
#pragma once

namespace gild {

// The signal that interrupts a thread; its handler does nothing. Once it is installed, no task can block it or take its
// handler away by way of libc.
int StopSignal();
void InstallStopSignal();
// The calling thread has set its signal mask since it was asked last.
bool MaskWasSetHere();
// It is that signal, and it is installed.
bool IsStopSignal(int signal);

}  // namespace gild
