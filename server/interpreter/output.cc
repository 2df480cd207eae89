#include "server/interpreter/output.h"

#include <algorithm>
#include <cstring>

#include "server/interpreter/task_state.h"

namespace gild {
namespace {

// The task that the calling thread works for; null: none that may still speak.
TaskState* SpeakingTask() {
  TaskState* const task = CurrentTask();
  return task == nullptr || task->ended.load() || InForkedProcess() ? nullptr : task;
}

// False: the task is to be ended for it.
bool Append(TaskState* task, int stream, const char* data, size_t bytes) {
  std::atomic<uint64_t>& length = stream == 1 ? task->row->out_bytes : task->row->err_bytes;
  char* const region = stream == 1 ? task->out : task->err;
  {
    absl::MutexLock lock(&task->page_mutex);
    // The task's own, but nothing keeps it from writing there itself.
    const uint64_t at = std::min(length.load(std::memory_order_relaxed), task->output_bytes);
    const uint64_t taken = std::min<uint64_t>(bytes, task->output_bytes - at);
    std::memcpy(region + at, data, taken);
    length.store(at + taken, std::memory_order_release);
    if (taken == bytes) return true;
  }
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
  TaskState* const task = SpeakingTask();
  const bool goes_on = task == nullptr || Append(task, stream, static_cast<const char*>(data.buf), data.len);
  PyBuffer_Release(&data);
  return PyBool_FromLong(goes_on);
}

// tell_progress(done, total)
PyObject* TellProgress(PyObject*, PyObject* arguments) {
  unsigned long long done, total;
  if (!PyArg_ParseTuple(arguments, "KK", &done, &total)) return nullptr;
  if (TaskState* const task = SpeakingTask()) {
    absl::MutexLock lock(&task->page_mutex);
    Row* const row = task->row;
    const uint64_t changes = row->progress_changes.load();
    row->progress_changes.store(changes + 1);
    row->progress_done.store(done);
    row->progress_total.store(total);
    row->progress_changes.store(changes + 2);
  }
  Py_RETURN_NONE;
}

// task_serial() -> int
PyObject* TaskSerial(PyObject*, PyObject*) {
  const TaskState* const task = CurrentTask();
  return PyLong_FromUnsignedLongLong(task == nullptr || task->ended.load() ? 0 : task->serial);
}

PyMethodDef methods[] = {
    {"task_serial", TaskSerial, METH_NOARGS,
     "task_serial(): the server's number of the task that the calling thread works for; 0: none."},
    {"tell_progress", TellProgress, METH_VARARGS,
     "tell_progress(done, total): of the calling thread's task; total 0: not known."},
    {"write_output", WriteOutput, METH_VARARGS,
     "write_output(stream, data): appends to stdout (1) or stderr (2) of the calling thread's task.\n"
     "False: it printed too much and asked to be ended for it."},
    {nullptr, nullptr, 0, nullptr},
};

PyModuleDef module = {PyModuleDef_HEAD_INIT, "_gild", nullptr, -1, methods, nullptr, nullptr, nullptr, nullptr};

}  // namespace

PyObject* MakeOutputModule() { return PyModule_Create(&module); }

}  // namespace gild
