// The death note: the thread that ends the whole interpreter says so in the page, just before: who, and how. Without it the
// server could not tell the culprit from its neighbours in the I/O lane, nor an own kill(2) from one that came from outside.
//
// Written by the handlers of fatal signals (on a stack of their own, so that a stack overflow can be noted too) and by
// _exit, exit, kill, raise and pthread_kill, which gild-interpreter defines and forwards. Handlers are process-wide; the
// alternate stack is per thread.
#pragma once

#include "server/ipc/page.h"

namespace gild {

void InstallDeathNote(PageHeader* page);
// Once on each thread that runs user code; for the life of the thread.
void UseAlternateStack();
// A signal that the task sent itself and survived is no note.
void ClearDeathNote(uint64_t serial);

}  // namespace gild
