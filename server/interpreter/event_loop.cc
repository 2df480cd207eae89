#include "server/interpreter/event_loop.h"

#include <pthread.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <thread>

#include "absl/hash/hash.h"
#include "server/base/clock.h"
#include "server/base/errors.h"
#include "server/interpreter/death_note.h"

namespace gild {
namespace {

// A body that takes longer to return its coroutine belongs on a thread: on the loop all would wait for it.
constexpr int64_t kQuickNs = 1 * kNsPerMs;
constexpr size_t kBodiesMax = 4096;

EventLoop* the_loop = nullptr;

size_t Fingerprint(const internal::StartTask& start) {
  return absl::HashOf(start.code(), start.entry(), start.function_sha256());
}

constexpr char kCapsuleName[] = "gild.LoopTask";

// The module's functions are of no use to user code, which could import it: what it passes is checked.
EventLoop::LoopTask* TaskOf(PyObject* capsule) {
  return static_cast<EventLoop::LoopTask*>(PyCapsule_GetPointer(capsule, kCapsuleName));
}

}  // namespace

EventLoop::EventLoop(BlockingChannel* channel, TaskRunner* runner, PyRef module,
                     std::function<void(uint64_t serial)> forget)
    : channel_(channel),
      runner_(runner),
      module_(std::move(module)),
      forget_(std::move(forget)),
      bell_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  GILD_CHECK(bell_ >= 0 && the_loop == nullptr);
  the_loop = this;
}

// ---- any thread ----

bool EventLoop::Takes(const internal::StartTask& start) {
  if (WantsFolder(start)) return false;  // the loop's thread has the others' working directory
  absl::MutexLock lock(&mutex_);
  return !bodies_.empty() && bodies_.contains(Fingerprint(start));
}

void EventLoop::Start(internal::StartTask start, std::shared_ptr<TaskState> task) {
  auto loop_task = std::make_unique<LoopTask>();
  loop_task->start = std::move(start);
  loop_task->task = std::move(task);
  Post(std::move(loop_task));
}

void EventLoop::Adopt(internal::StartTask start, std::shared_ptr<TaskState> task, Coroutine coroutine) {
  auto loop_task = std::make_unique<LoopTask>();
  const bool quick = NowNs() - coroutine.begin_ns < kQuickNs;
  if (quick) {
    absl::MutexLock lock(&mutex_);
    if (bodies_.size() >= kBodiesMax) bodies_.clear();
    bodies_.insert(Fingerprint(start));
  }
  loop_task->start = std::move(start);
  loop_task->task = std::move(task);
  loop_task->coroutine = std::move(coroutine);
  Post(std::move(loop_task));
}

void EventLoop::Post(std::unique_ptr<LoopTask> task) {
  task->task->on_loop = true;
  absl::MutexLock lock(&mutex_);
  inbox_.push_back(std::move(task));
  if (inbox_.size() == 1) {
    const uint64_t one = 1;
    (void)!write(bell_, &one, sizeof one);
  }
  if (std::exchange(started_, true)) return;
  std::thread([this] { Loop(); }).detach();
}

void EventLoop::SignalStep(TaskState* task, int signal) {
  if (step_.load() == task) syscall(SYS_tgkill, getpid(), tid_.load(), signal);
}

// ---- with the lock ----

void EventLoop::RaiseStop(TaskState* task) {
  if (task->ended.load()) return;
  // At first its cancel and the signals will do. An exception out of nowhere may hit asyncio's own code, and is for a
  // step that goes on computing. We have the lock: it cannot end meanwhile.
  if (task->stop_asked_on_loop.exchange(true) && step_.load() == task) runner_->RaiseStopIn(thread_.load());
  const PyRef stopped(PyObject_CallMethod(module_.get(), "stop", "K", task->serial));
  PyErr_Clear();
}

void EventLoop::Loop() {
  pthread_setname_np(pthread_self(), "gild-loop");
  UseAlternateStack();
  thread_ = pthread_self();
  tid_ = static_cast<pid_t>(syscall(SYS_gettid));
  (void)PyGILState_Ensure();
  const PyRef never(PyObject_CallMethod(module_.get(), "run", "i", bell_));
  // Whoever broke it (closed its descriptors, say): the tasks on it can neither go on nor be stopped.
  while (true) syscall(SYS_exit_group, kExitOfLostLoop);
}

std::vector<std::unique_ptr<EventLoop::LoopTask>> EventLoop::Take() {
  uint64_t rings;
  (void)!read(bell_, &rings, sizeof rings);
  std::vector<std::unique_ptr<LoopTask>> taken;
  {
    absl::MutexLock lock(&mutex_);
    taken.swap(inbox_);
  }
  internal::FromInterpreter frame;
  const int64_t now_ns = NowNs();
  for (const auto& task : taken) {
    frame.mutable_on_loop()->add_serials(task->task->serial);
    if (task->coroutine.coroutine) continue;
    task->coroutine.begin_ns = now_ns;
    runner_->Begin(task->start, *task->task, now_ns);
  }
  if (!taken.empty()) Send({&frame, 1});
  return taken;
}

PyRef EventLoop::Execute(LoopTask* task) {
  if (task->coroutine.coroutine) return std::move(task->coroutine.coroutine);
  const int64_t begin_ns = NowNs();
  task->coroutine.name_space = runner_->EnterNamespace(task->start, *task->task);
  if (!task->coroutine.name_space) return PyRef();
  PyRef value = runner_->Execute(task->start, *task->task, task->coroutine.name_space.get());
  if (!value || !PyCoro_CheckExact(value.get()) || NowNs() - begin_ns > kQuickNs) {
    absl::MutexLock lock(&mutex_);
    bodies_.erase(Fingerprint(task->start));
  }
  return value;
}

void EventLoop::StartStep(LoopTask* task) {
  const int64_t now_ns = NowNs();
  task->step_cpu_ns = times_.Begin(now_ns).cpu_ns;
  step_ = task->task.get();
  BeginStep(&task->task, now_ns);
}

int64_t EventLoop::FinishStep(LoopTask* task) {
  const int64_t end_ns = NowNs();
  task->coroutine.cpu_ns += times_.End(end_ns, /*look=*/false).cpu_ns - task->step_cpu_ns;
  EndStep(end_ns);
  step_ = nullptr;
  // Since the step's own code no bytecode has run.
  if (task->task->stop.load()) runner_->DropStop();
  return end_ns;
}

PyRef EventLoop::RunStep(LoopTask* task, int64_t ready_ns, PyObject* run, PyObject* handle) {
  // What a task has left on the loop, a callback say, runs for nobody.
  const bool counts = !task->task->ended.load();
  if (counts) {
    if (ready_ns > 0) task->loop_wait_ns += std::max<int64_t>(0, NowNs() - ready_ns);
    StartStep(task);
  }
  const PyRef done(PyObject_CallOneArg(run, handle));
  PyRef escaped = done ? PyRef() : TakeException();
  // A child that a step forked must not run the neighbours' steps.
  if (InForkedProcess()) _exit(escaped ? 1 : 0);
  if (counts) FinishStep(task);
  return escaped;
}

bool EventLoop::Ended(LoopTask* task, PyRef value, PyRef error) {
  TaskState* const state = task->task.get();
  if (state->ended.load()) return false;
  internal::FromInterpreter& frame = ended_.emplace_back();
  internal::TaskEnded& ended = *frame.mutable_ended();
  // Its last step: encoding its result, or describing its error, is the task's own code too.
  StartStep(task);
  runner_->Conclude(task->start, *state, std::move(value), std::move(error), &ended);
  if (task->coroutine.name_space) runner_->LeaveNamespace(*state, task->coroutine.name_space.get());
  const int64_t end_ns = FinishStep(task);
  ended.set_threads_left(EndTask(state, end_ns));
  ended.set_starts_refused(state->starts_refused.load());
  SetLockUsage(*state->row, &ended);
  ClearDeathNote(state->serial);
  runner_->ForgetStreams(state->serial);
  state->function.reset();
  state->session.reset();
  ended.set_begin_ns(task->coroutine.begin_ns);
  ended.set_end_ns(end_ns);
  ended.set_core(sched_getcpu());
  ended.set_cpu_ns(task->coroutine.cpu_ns + OtherThreadsCpuNs(state));
  ended.set_cpu_wait_ns(-1);  // the loop's thread has it, not the task
  ended.set_loop_wait_ns(task->loop_wait_ns);
  return ended_.size() == 1;
}

void EventLoop::SendEnded() {
  const std::vector<internal::FromInterpreter> frames = std::exchange(ended_, {});
  // Gone before the reply: the server may use the row at once.
  for (const internal::FromInterpreter& frame : frames) forget_(frame.ended().serial());
  Send(frames);
}

void EventLoop::Send(absl::Span<const internal::FromInterpreter> frames) {
  bool sent = false;
  Py_BEGIN_ALLOW_THREADS  // it may have to wait
      sent = channel_->Send(frames).ok();
  Py_END_ALLOW_THREADS while (!sent) syscall(SYS_exit_group, kExitOfLostChannel);
}

// ---- the module ----

namespace {

using LoopTask = EventLoop::LoopTask;

PyObject* NewReferenceOrNone(PyRef object) {
  if (!object) Py_RETURN_NONE;
  return Py_NewRef(object.get());
}

PyObject* NowNsOf(PyObject*, PyObject*) { return PyLong_FromLongLong(NowNs()); }

PyObject* Take(PyObject*, PyObject*) {
  std::vector<std::unique_ptr<LoopTask>> tasks = the_loop->Take();
  PyRef list(PyList_New(tasks.size()));
  for (size_t i = 0; list && i < tasks.size(); ++i) {
    const unsigned long long serial = tasks[i]->task->serial;
    PyObject* const capsule =
        PyCapsule_New(tasks[i].get(), kCapsuleName, [](PyObject* dying) { delete TaskOf(dying); });
    if (capsule == nullptr) return nullptr;
    (void)tasks[i].release();
    PyObject* const pair = Py_BuildValue("(KN)", serial, capsule);
    if (pair == nullptr) return nullptr;
    PyList_SET_ITEM(list.get(), i, pair);
  }
  return Py_XNewRef(list.get());
}

PyObject* Execute(PyObject*, PyObject* capsule) {
  LoopTask* const task = TaskOf(capsule);
  return task == nullptr ? nullptr : Py_XNewRef(the_loop->Execute(task).get());
}

PyObject* RunStep(PyObject*, PyObject* const* arguments, Py_ssize_t count) {
  LoopTask* const task = count == 4 ? TaskOf(arguments[0]) : nullptr;
  if (task == nullptr) return PyErr_Format(PyExc_TypeError, "run_step(task, ready_ns, run, handle)");
  const int64_t ready_ns = PyLong_AsLongLong(arguments[1]);
  if (ready_ns == -1 && PyErr_Occurred()) return nullptr;
  return NewReferenceOrNone(the_loop->RunStep(task, ready_ns, arguments[2], arguments[3]));
}

PyObject* Ended(PyObject*, PyObject* const* arguments, Py_ssize_t count) {
  LoopTask* const task = count == 3 ? TaskOf(arguments[0]) : nullptr;
  if (task == nullptr) return PyErr_Format(PyExc_TypeError, "ended(task, value, error)");
  const bool raised = arguments[2] != Py_None;
  PyRef value(raised ? nullptr : Py_NewRef(arguments[1]));
  PyRef error(raised ? Py_NewRef(arguments[2]) : nullptr);
  return PyBool_FromLong(the_loop->Ended(task, std::move(value), std::move(error)));
}

PyObject* SendEnded(PyObject*, PyObject*) {
  the_loop->SendEnded();
  Py_RETURN_NONE;
}

PyObject* Serial(PyObject*, PyObject* capsule) {
  const LoopTask* const task = TaskOf(capsule);
  return task == nullptr ? nullptr : PyLong_FromUnsignedLongLong(task->task->serial);
}

PyObject* Stopped(PyObject*, PyObject* capsule) {
  const LoopTask* const task = TaskOf(capsule);
  return task == nullptr ? nullptr : PyBool_FromLong(task->task->stop.load());
}

PyObject* CallOffDuty(PyObject*, PyObject* const* arguments, Py_ssize_t count) {
  if (count < 1) return PyErr_Format(PyExc_TypeError, "off_duty(call, *arguments)");
  const OffDuty off_duty;
  return PyObject_Vectorcall(arguments[0], arguments + 1, count - 1, nullptr);
}

PyObject* Help(PyObject*, PyObject* arguments) {
  PyObject *capsule, *call, *positional, *named;
  if (!PyArg_ParseTuple(arguments, "OOO!O!", &capsule, &call, &PyTuple_Type, &positional, &PyDict_Type, &named)) {
    return nullptr;
  }
  const LoopTask* const task = TaskOf(capsule);
  if (task == nullptr) return nullptr;
  const Helper helper(task->task);
  return PyObject_Call(call, positional, named);
}

template <typename Function>
PyCFunction AsCFunction(Function* function) {
  return reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(function));
}

PyMethodDef methods[] = {
    {"now_ns", NowNsOf, METH_NOARGS, "now_ns(): CLOCK_MONOTONIC, as loop.time() in nanoseconds."},
    {"take", Take, METH_NOARGS, "take(): [(serial, task), ...] that came since the last call."},
    {"execute", Execute, METH_O, "execute(task): what its code returned."},
    {"run_step", AsCFunction(RunStep), METH_FASTCALL,
     "run_step(task, ready_ns, run, handle): run(handle) as a step of the task, which was ready since then (0: "
     "unknown).\n"
     "The exception that got out of it, or None."},
    {"ended", AsCFunction(Ended), METH_FASTCALL,
     "ended(task, value, error): its end, which waits for send_ended. True: it is the first that waits."},
    {"send_ended", SendEnded, METH_NOARGS, "send_ended(): tells the server of all that have ended."},
    {"serial", Serial, METH_O, "serial(task): the server's number of it."},
    {"stopped", Stopped, METH_O, "stopped(task): whether it was asked to stop."},
    {"off_duty", AsCFunction(CallOffDuty), METH_FASTCALL,
     "off_duty(call, *arguments): calls it; threads that it starts belong to no task."},
    {"help", Help, METH_VARARGS, "help(task, call, args, kwargs): calls it on this thread, for the task."},
    {nullptr, nullptr, 0, nullptr},
};

PyModuleDef module = {PyModuleDef_HEAD_INIT, "_gild_loop", nullptr, -1, methods, nullptr, nullptr, nullptr, nullptr};

}  // namespace

PyObject* MakeEventLoopModule() { return PyModule_Create(&module); }

}  // namespace gild
