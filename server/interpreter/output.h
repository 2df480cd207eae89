// The `_gild` module: where sys.stdout and sys.stderr of a task end, in its region of the page.
//
// Output goes straight into shared memory, so what a task printed survives its being killed. Each thread writes for the
// task it works for; writers of one task are ordered by the lock.
#pragma once

#include "server/interpreter/python.h"

namespace gild {

// For PyImport_AppendInittab.
PyObject* MakeOutputModule();

}  // namespace gild
