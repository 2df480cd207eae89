// The `_gild` module: where sys.stdout and sys.stderr of a task end, in its region of the page, and its progress.
//
// Output goes straight into shared memory, so what a task printed survives its being killed, and the server reads
// along. Each thread writes for the task it works for.
#pragma once

#include "server/interpreter/python.h"

namespace gild {

// For PyImport_AppendInittab.
PyObject* MakeOutputModule();

}  // namespace gild
