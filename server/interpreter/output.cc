#include "server/interpreter/output.h"

#include <algorithm>
#include <cstring>

#include "server/interpreter/task_state.h"

namespace gild {
namespace {

// False: the task is to be ended for it.
bool Append(TaskState* task, int stream, const char* data, size_t bytes) {
  std::atomic<uint64_t>& length = stream == 1 ? task->row->out_bytes : task->row->err_bytes;
  char* const region = stream == 1 ? task->out : task->err;
  // Claimed before it is written: on a free-threaded build two writers may meet.
  const uint64_t at = length.fetch_add(bytes, std::memory_order_relaxed);
  const uint64_t room = at < task->output_bytes ? task->output_bytes - at : 0;
  std::memcpy(region + std::min(at, task->output_bytes), data, std::min<uint64_t>(bytes, room));
  if (bytes <= room) return true;
  length.store(task->output_bytes, std::memory_order_relaxed);
  (stream == 1 ? task->row->out_truncated : task->row->err_truncated).store(1, std::memory_order_relaxed);
  if (!task->end_on_output_overflow) return true;
  task->output_exceeded.store(true);
  return false;
}

// write_output(stream, data) -> bool
PyObject* WriteOutput(PyObject*, PyObject* arguments) {
  int stream;
  Py_buffer data;
  if (!PyArg_ParseTuple(arguments, "iy*", &stream, &data)) return nullptr;
  TaskState* const task = CurrentTask();
  bool goes_on = true;
  if (task != nullptr && !task->ended.load() && !InForkedProcess()) {
    goes_on = Append(task, stream, static_cast<const char*>(data.buf), data.len);
  }
  PyBuffer_Release(&data);
  return PyBool_FromLong(goes_on);
}

// task_serial() -> int
PyObject* TaskSerial(PyObject*, PyObject*) {
  const TaskState* const task = CurrentTask();
  return PyLong_FromUnsignedLongLong(task == nullptr || task->ended.load() ? 0 : task->serial);
}

PyMethodDef methods[] = {
    {"task_serial", TaskSerial, METH_NOARGS,
     "task_serial(): the server's number of the task that the calling thread works for; 0: none."},
    {"write_output", WriteOutput, METH_VARARGS,
     "write_output(stream, data): appends to stdout (1) or stderr (2) of the calling thread's task.\n"
     "False: it printed too much and asked to be ended for it."},
    {nullptr, nullptr, 0, nullptr},
};

PyModuleDef module = {PyModuleDef_HEAD_INIT, "_gild", nullptr, -1, methods, nullptr, nullptr, nullptr, nullptr};

}  // namespace

PyObject* MakeOutputModule() { return PyModule_Create(&module); }

}  // namespace gild
