// The signal that interrupts a task's threads when it is to stop (stopper.h); its handler does nothing. Once it is
// installed, no task can block it or take its handler away by way of libc: pthread_sigmask, sigaction and signal are
// defined here and in settings.h.
#pragma once

namespace gild {

int StopSignal();
void InstallStopSignal();
// It is that signal, and it is installed.
bool IsStopSignal(int signal);

// The calling thread has set its signal mask since it was asked last.
bool MaskWasSetHere();

}  // namespace gild
