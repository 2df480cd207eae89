#include "server/interpreter/task_runner.h"

#include <fenv.h>
#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iterator>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "server/base/clock.h"
#include "server/base/errors.h"
#include "server/interpreter/death_note.h"
#include "server/interpreter/lock_profile.h"
#include "server/interpreter/process_limits.h"
#include "server/interpreter/stop_signal.h"
#include "server/interpreter/thread_times.h"
#include "server/meter/lock_hooks.h"
#include "server/sandbox/scratch_quota.h"

namespace gild {
namespace {

// A pool's workers end a moment after their executor; so long they are not called left behind.
constexpr int64_t kStragglersNs = 20 * kNsPerMs;
constexpr uint64_t kErrorTextMemoryBytes = 32 << 20;
// What a task that was stopped leaves is collected for so long: half of what it has before its interpreter is replaced.
constexpr int64_t kCollectStoppedNs = kStopGraceNs / 2;

absl::string_view BytesOf(PyObject* bytes) { return {PyBytes_AS_STRING(bytes), size_t(PyBytes_GET_SIZE(bytes))}; }

PyRef ToBytes(absl::string_view text) { return PyRef(PyBytes_FromStringAndSize(text.data(), text.size())); }

std::string Bounded(absl::string_view text, size_t most) { return std::string(text.substr(0, most)); }
// The innermost frames, which stand last, are what a reader needs.
std::string BoundedTail(absl::string_view text, size_t most) {
  return std::string(text.substr(text.size() - std::min(text.size(), most)));
}

// Of the calling thread's tasks. Alone, the processor time is the whole process's.
ThreadTimes& TimesHere(bool alone) {
  thread_local ThreadTimes times({.cpu_ns = alone ? ProcessCpuNs : ThreadCpuNs, .cpu_wait_ns = ThreadCpuWaitNs});
  return times;
}

// Context variables that a task sets are gone with it.
class FreshContext {
 public:
  FreshContext() : context_(PyContext_New()) { entered_ = context_ && PyContext_Enter(context_.get()) == 0; }
  ~FreshContext() {
    if (entered_) PyContext_Exit(context_.get());
    PyErr_Clear();
  }
  FreshContext(const FreshContext&) = delete;
  FreshContext& operator=(const FreshContext&) = delete;

 private:
  PyRef context_;
  bool entered_ = false;
};

// [(raw?, bytes), …]
PyRef ArgumentList(const internal::StartTask& start) {
  PyRef list(PyList_New(start.arguments_size()));
  for (int i = 0; list && i < start.arguments_size(); ++i) {
    const internal::Value& value = start.arguments(i);
    const std::string& bytes = value.has_raw() ? value.raw() : value.json();
    PyObject* const pair = Py_BuildValue("(Oy#)", value.has_raw() ? Py_True : Py_False, bytes.data(), bytes.size());
    if (pair == nullptr) return PyRef();
    PyList_SET_ITEM(list.get(), i, pair);
  }
  return list;
}

// Each in memory of its own, which the task may write to.
PyRef BufferList(const internal::StartTask& start) {
  PyRef list(PyList_New(start.buffers_size()));
  for (int i = 0; list && i < start.buffers_size(); ++i) {
    const std::string& buffer = start.buffers(i);
    PyObject* const bytes = PyByteArray_FromStringAndSize(buffer.data(), static_cast<Py_ssize_t>(buffer.size()));
    if (bytes == nullptr) return PyRef();
    PyList_SET_ITEM(list.get(), i, bytes);
  }
  return list;
}

bool IsCall(const internal::StartTask& start) { return !start.function_sha256().empty(); }

bool SaysSuccess(const internal::TaskEnded& ended) {
  return ended.ending() == internal::CODE_SUCCEEDED ||
         (ended.ending() == internal::CODE_EXITED && ended.exit_code() == 0);
}

// OSError: the file system is full.
bool SaysNoSpace(PyObject* error) {
  if (error == nullptr || !PyErr_GivenExceptionMatches(error, PyExc_OSError)) return false;
  const PyRef number(PyObject_GetAttrString(error, "errno"));
  const bool says = number && PyLong_CheckExact(number.get()) && PyLong_AsLong(number.get()) == ENOSPC;
  PyErr_Clear();
  return says;
}

void SetStopped(internal::TaskEnded* ended) {
  ended->clear_result();
  ended->set_ending(internal::CODE_STOPPED);
}

size_t ResultBytes(const internal::Value& result) {
  return result.raw().size() + result.json().size() + result.pickled().size();  // one of the three
}

// `room`: what limits.result_bytes leaves beside the result.
void Bring(Collected collected, uint64_t room, internal::TaskEnded* ended) {
  ended->mutable_files()->Swap(&collected.files);
  ended->mutable_warnings()->Add(std::make_move_iterator(collected.warnings.begin()),
                                 std::make_move_iterator(collected.warnings.end()));
  if (collected.bytes <= room) return;
  if (SaysSuccess(*ended)) {
    ended->set_ending(internal::CODE_RESULT_LIMIT);
    ended->set_result_bytes(ResultBytes(ended->result()) + collected.bytes);
    ended->clear_result();
    ended->clear_exit_code();
    return;
  }
  // Why it ended is worth more.
  if (ended->warnings_size() == kWarningsMax) ended->mutable_warnings()->RemoveLast();
  ended->add_warnings(
      absl::StrCat("collect: left out ", collected.bytes, " bytes, since limits.result_bytes has room for ", room));
}

}  // namespace

bool HasScratchQuota(const internal::StartTask& start) {
  return start.scratch_bytes() > 0 || start.scratch_files() > 0;
}

bool WantsFolder(const internal::StartTask& start) { return start.files_size() > 0 || start.collect_size() > 0; }

void SetLockUsage(const Row& row, internal::TaskEnded* ended) {
  ended->set_lock_available(LockHooksCalibrated());
  ended->set_lock_wait_ns(row.lock.wait_ns.load());
  ended->set_lock_hold_ns(row.lock.hold_ns.load());
  ended->set_lock_takes(row.lock.takes.load());
  ended->set_lock_contended_takes(row.lock.contended_takes.load());
  ended->set_lock_forced_releases(row.lock.forced_releases.load());
  ended->set_lock_longest_hold_ns(row.lock.longest_hold_ns.load());
}

TaskRunner::TaskRunner(std::unique_ptr<Inheritance> inheritance, Options options)
    : inheritance_(std::move(inheritance)),
      options_(options),
      scratch_(Scratch::Here(/*shared=*/!options.alone)),
      peak_memory_({.reset = ResetPeakMemory, .bytes = PeakMemoryBytes}) {
  pthread_sigmask(SIG_BLOCK, nullptr, &mask_);
  if (!options_.alone) return;
  environment_.emplace();
  // Descriptors that are kept from their first use on are no task's.
  (void)ThreadCpuWaitNs();
  (void)AwaitOneThread(0);
  residue_.emplace(
      &scratch_, Residue::Options{.own_scratch = options_.own_scratch, .growth_bytes_max = options_.growth_bytes_max});
}

std::variant<internal::TaskEnded, Coroutine> TaskRunner::Run(const internal::StartTask& start,
                                                             std::shared_ptr<TaskState> task,
                                                             PyThreadState* thread_state) {
  std::variant<internal::TaskEnded, Coroutine> end =
      WantsFolder(start) ? RunInFolder(start, std::move(task), thread_state)
                         : RunCode(start, std::move(task), thread_state, absl::OkStatus());
  if (options_.alone) {
    // Nothing of the task is there any more, nor of its folder, but for what it left.
    auto& ended = std::get<internal::TaskEnded>(end);
    if (HasScratchQuota(start) && options_.own_scratch) {
      // What its processes met nobody else sees.
      if (options_.subprocess) EndIfFull(FullnessOf(scratch_.path.c_str()), &ended);
      // Where it could not be lifted, that is residue.
      (void)AskScratchQuota({.bytes = 0, .inodes = 0});
    }
    residue_->Look(ended.peak_memory_bytes(), &ended);
    if (++tasks_ == options_.tasks_max) ended.set_spent(true);
  }
  return end;
}

internal::TaskEnded TaskRunner::RunInFolder(const internal::StartTask& start, std::shared_ptr<TaskState> task,
                                            PyThreadState* thread_state) {
  TaskFolder folder(&scratch_, start.serial());
  const absl::Status placed = folder.Enter(start.files());
  internal::TaskEnded ended = std::get<internal::TaskEnded>(RunCode(start, task, thread_state, placed));
  folder.Leave();
  if (!placed.ok()) {
    ended.set_error_before_start(true);
    return ended;
  }
  // It may be stopped here, too. One that was stopped before has little time until its interpreter is replaced.
  const bool stopped = task->stop.load();
  const int64_t stopped_until_ns = NowNs() + kCollectStoppedNs;
  const uint64_t room = start.result_bytes() - std::min(start.result_bytes(), uint64_t{ResultBytes(ended.result())});
  Collected collected =
      folder.Collect(start.collect(), room, [&] { return stopped ? NowNs() > stopped_until_ns : task->stop.load(); });
  if (collected.given_up) {
    SetStopped(&ended);
    ended.set_end_ns(NowNs());
    collected.warnings = {"collect: the task was stopped before all was collected"};
  }
  Bring(std::move(collected), room, &ended);
  return ended;
}

std::variant<internal::TaskEnded, Coroutine> TaskRunner::RunCode(const internal::StartTask& start,
                                                                 std::shared_ptr<TaskState> task,
                                                                 PyThreadState* thread_state,
                                                                 const absl::Status& placed) {
  Row* const row = task->row;
  const bool peak_known = options_.alone && peak_memory_.Begin(NowNs());
  ThreadTimes& times = TimesHere(options_.alone);
  const ThreadTimes::Sums before = times.Begin(NowNs());
  const int64_t begin_ns = NowNs();
  row->process_cpu_at_begin_ns.store(before.cpu_ns);
  row->unknown_peak_bytes.store(peak_known ? ChildrenPeakMemoryBytes() : INT64_MAX);
  Begin(start, *task, begin_ns);

  // From here on it is the task's time; its first wait for the lock is its own.
  WorkFor(task, begin_ns);
  TakeLockInTurn(thread_state, begin_ns);
  std::unique_ptr<LockProfile> profile;
  if (start.profile_lock() && options_.alone && LockHooksCalibrated()) {
    // What an earlier task may have left: see meet_stop in bootstrap.py.
    RaiseStopIn(pthread_self());
    DropStop();
    profile = std::make_unique<LockProfile>();
  }
  internal::TaskEnded ended;
  Coroutine suspended{.begin_ns = begin_ns};
  {
    const FreshContext context;
    PyRef name_space = EnterNamespace(start, *task);
    PyRef value;
    if (!placed.ok()) {
      PyErr_SetString(PyExc_OSError, std::string(placed.message()).c_str());
    } else if (name_space && MayBegin(*task)) {
      value = Execute(start, *task, name_space.get());
    }
    if (value && PyCoro_CheckExact(value.get())) {
      if (options_.alone || WantsFolder(start)) {
        value = PyRef(PyObject_CallMethod(inheritance_->bootstrap.get(), "run_coroutine", "O", value.get()));
      } else if (!InForkedProcess()) {
        suspended.name_space = std::move(name_space);
        suspended.coroutine = std::move(value);
      }
    }
    if (!suspended.coroutine) {
      PyRef error = value ? PyRef() : TakeException();
      if (InForkedProcess()) {
        // A child that the task forked has come to the end of the code: it is not the task, and must not answer for it.
        _exit(error ? ExitCodeOf(error.get()).value_or(1) : 0);
      }
      if (task->other_threads.load() > 0) {
        JoinThreads(task.get());
        if (PyErr_Occurred() != nullptr) {
          value = PyRef();
          PyRef second = TakeException();
          if (!error) error = std::move(second);
        }
      }
      Conclude(start, *task, std::move(value), std::move(error), &ended);
      if (name_space) LeaveNamespace(*task, name_space.get());
    }
  }
  if (suspended.coroutine) {
    Suspend(before.cpu_ns, &suspended);
    return suspended;
  }
  if (task->other_threads.load() > 0) {
    PyThreadState* const saved = PyEval_SaveThread();
    WaitForOtherThreads(task.get(), NowNs() + kStragglersNs);
    PyEval_RestoreThread(saved);
  }
  if (start.cpu_ns() > 0) LimitCpu(0);
  if (start.memory_bytes() > 0) LiftMemoryLimit();

  if (profile) profile->End();
  ended.set_core(sched_getcpu());
  ended.set_begin_ns(begin_ns);
  const int64_t end_ns = NowNs();
  ended.set_end_ns(end_ns);
  ended.set_threads_left(StopWorking(end_ns));
  SetLockUsage(*row, &ended);
  if (profile) profile->Report(&ended);
  profile.reset();
  ClearDeathNote(start.serial());

  ForgetThread();
  ForgetStreams(start.serial());
  task->function.reset();
  task->session.reset();
  PyEval_SaveThread();

  // System calls for figures are no business of the lock's.
  if (options_.alone) {
    ended.set_processes_left(HasLivingChildren());
    // Native code can start a thread past us.
    if (ended.threads_left() == 0 && !AwaitOneThread(kStragglersNs)) ended.set_threads_left(1);
  } else if (options_.subprocess) {
    ended.set_processes_left(EndChildrenOfThread());
  }
  ended.set_starts_refused(task->starts_refused.load());
  const ThreadTimes::Sums after = times.End(NowNs(), /*look=*/options_.alone);
  int64_t cpu_ns = after.cpu_ns - before.cpu_ns;
  // Where it was reckoned: while the task waited for the lock it was not on its core.
  if (!options_.alone && end_ns - begin_ns < ThreadTimes::kSameMomentNs) {
    cpu_ns = std::min(cpu_ns, std::max<int64_t>(0, end_ns - begin_ns - ended.lock_wait_ns()));
  }
  ended.set_cpu_ns(cpu_ns + (options_.alone ? 0 : OtherThreadsCpuNs(task.get())));
  if (peak_known) ended.set_peak_memory_bytes(peak_memory_.End().value_or(0));
  // Unavailable travels as -1.
  ended.set_cpu_wait_ns(before.cpu_wait_ns && after.cpu_wait_ns ? *after.cpu_wait_ns - *before.cpu_wait_ns : -1);
  return ended;
}

bool TaskRunner::MayBegin(const TaskState& task) {
  if (!task.stop.load()) return true;
  RaiseStopIn(pthread_self());
  const PyRef met(PyObject_CallMethod(inheritance_->bootstrap.get(), "meet_stop", nullptr));
  return static_cast<bool>(met);
}

void TaskRunner::Suspend(int64_t cpu_before_ns, Coroutine* coroutine) {
  HandOver(NowNs());
  ForgetThread();
  PyEval_SaveThread();
  coroutine->cpu_ns = ThreadCpuNs() - cpu_before_ns;
}

void TaskRunner::Begin(const internal::StartTask& start, const TaskState& task, int64_t begin_ns) {
  task.row->serial.store(start.serial());
  // Last: it says that the rest is there.
  task.row->begin_ns.store(begin_ns);
}

PyRef TaskRunner::EnterNamespace(const internal::StartTask& start, const TaskState& task) {
  // Before anything of the last task's is let go of, which may log.
  if (options_.alone && !PyRef(PyObject_CallNoArgs(inheritance_->free_logging.get()))) PyErr_Clear();
  Session* const session = task.session.get();
  if (session == nullptr || !session->name_space) {
    // First: what was `__main__` goes, and its finalizers run.
    PyRef fresh = inheritance_->main_module.Fresh(start.file_name(), options_.alone);
    inheritance_->known_names.PutBack(options_.alone);
    if (environment_) environment_->PutBack();
    if (session == nullptr || !fresh) return fresh;
    // Two tasks may have come here at once: the first one's it is.
    if (!session->name_space) session->name_space = std::move(fresh);
  } else {
    inheritance_->known_names.PutBack(options_.alone);
  }
  return PyRef(Py_NewRef(session->name_space.get()));
}

void TaskRunner::LeaveNamespace(const TaskState& task, PyObject* name_space) {
  const bool threads_left = task.other_threads.load() > 0;
  if (task.session != nullptr) {
    task.session->threads_left |= threads_left;
  } else if (!threads_left) {
    // Functions and their globals are a cycle; a big array should not wait for the collector.
    PyDict_Clear(name_space);
  }
  PyErr_Clear();
}

void TaskRunner::LetGo(std::shared_ptr<Session> session, std::shared_ptr<TaskState> task, PyThreadState* thread_state,
                       const std::function<void(bool begins)>& finalizing) {
  WorkFor(task, NowNs());
  PyEval_RestoreThread(thread_state);
  finalizing(true);
  {
    const FreshContext context;
    if (session->name_space && !session->threads_left) PyDict_Clear(session->name_space.get());
    session.reset();
    PyErr_Clear();
    if (InForkedProcess()) _exit(0);  // of a finalizer's making
  }
  StopWorking(NowNs());
  ForgetThread();
  ForgetStreams(task->serial);
  finalizing(false);
  PyEval_SaveThread();
}

void TaskRunner::TakeLockInTurn(PyThreadState* thread_state, int64_t now_ns) {
  if (!turn_.TryLock()) {
    // Waiting for one's turn is waiting for the lock.
    ProcessLedger().OnWant(&CurrentThreadLedger(), now_ns);
    turn_.Lock();
  }
  PyEval_RestoreThread(thread_state);
  turn_.Unlock();
}

void TaskRunner::ForgetThread() {
  DropStop();
  // threading.local keeps its values here; context variables had a context of their own.
  if (PyObject* const thread_locals = PyThreadState_GetDict()) PyDict_Clear(thread_locals);
#if PY_VERSION_HEX >= 0x030D0000
  // From 3.13 on, they last as long as these two, which are made anew when they are missing.
  Py_CLEAR(PyThreadState_Get()->threading_local_key);
  Py_CLEAR(PyThreadState_Get()->threading_local_sentinel);
#endif
  PyEval_SetTrace(nullptr, nullptr);
  PyEval_SetProfile(nullptr, nullptr);
  if (options_.alone) {
    DisarmTimers();
  } else {
    RestoreMask();
    fesetenv(FE_DFL_ENV);
  }
}

void TaskRunner::RestoreMask() {
  if (!MaskWasSetHere()) return;
  sigset_t mask{};
  pthread_sigmask(SIG_BLOCK, nullptr, &mask);
  if (memcmp(&mask, &mask_, sizeof mask) == 0) return;
  // What was held back for the task that is gone must not end all others.
  constexpr timespec kAtOnce{};
  while (sigtimedwait(&mask, nullptr, &kAtOnce) > 0) {
  }
  pthread_sigmask(SIG_SETMASK, &mask_, nullptr);
}

void TaskRunner::AdoptThread(PyThreadState* thread_state) {
  PyEval_RestoreThread(thread_state);
  const PyRef adopted(PyObject_CallMethod(inheritance_->bootstrap.get(), "adopt_thread", nullptr));
  PyErr_Clear();
  PyEval_SaveThread();
}

void TaskRunner::DropStop() {
  if (PyThreadState_Get()->async_exc == nullptr) return;
  const PyRef met(PyObject_CallMethod(inheritance_->bootstrap.get(), "meet_stop", nullptr));
  PyErr_Clear();
}

PyRef TaskRunner::FlushStreams(uint64_t serial) {
  if (PyDict_GET_SIZE(inheritance_->replacements.get()) == 0) return PyRef();
  const PyRef flushed(PyObject_CallMethod(inheritance_->bootstrap.get(), "flush_streams", "K", serial));
  return flushed ? PyRef() : TakeException();
}

void TaskRunner::ForgetStreams(uint64_t serial) {
  if (PyDict_GET_SIZE(inheritance_->replacements.get()) == 0) return;
  const PyRef forgotten(PyObject_CallMethod(inheritance_->bootstrap.get(), "forget_streams", "K", serial));
  PyErr_Clear();
}

PyRef TaskRunner::Execute(const internal::StartTask& start, const TaskState& task, PyObject* name_space) {
  const ScratchBounds scratch = {.bytes = start.scratch_bytes(), .inodes = start.scratch_files()};
  if ((start.memory_bytes() > 0 && !LimitMemory(start.memory_bytes())) ||
      (start.cpu_ns() > 0 && !LimitCpu(start.cpu_ns())) ||
      (HasScratchQuota(start) && !(options_.own_scratch && AskScratchQuota(scratch)))) {
    PyErr_SetString(PyExc_OSError, "gild could not set this task's limits on memory, processor time or files");
    return PyRef();
  }
  return IsCall(start) ? CallFunction(start, task) : ExecuteSource(start, name_space);
}

PyRef TaskRunner::Encode(const internal::StartTask& start, PyObject* value, internal::TaskEnded* ended) {
  const bool is_call = IsCall(start);
  if (!is_call && start.entry().empty()) return PyRef();  // a script has no result
  const PyRef result(PyObject_CallMethod(inheritance_->bootstrap.get(), is_call ? "pickled_result" : "encoded", "(O)", value));
  if (!result) return TakeException();
  const bool raw = !is_call && PyTuple_GET_ITEM(result.get(), 0) == Py_True;
  const absl::string_view bytes = BytesOf(is_call ? result.get() : PyTuple_GET_ITEM(result.get(), 1));
  ended->set_result_bytes(bytes.size());
  if (bytes.size() <= start.result_bytes()) {
    internal::Value& value = *ended->mutable_result();
    std::string* const kept = is_call ? value.mutable_pickled() : raw ? value.mutable_raw() : value.mutable_json();
    kept->assign(bytes.data(), bytes.size());
  }
  return PyRef();
}

PyRef TaskRunner::ExecuteSource(const internal::StartTask& start, PyObject* name_space) {
  const PyRef code = CodeOf(start);
  if (!code) return PyRef();
  PyRef value(PyEval_EvalCode(code.get(), name_space, name_space));
  if (!value || start.entry().empty()) return value;
  const PyRef arguments = ArgumentList(start);
  if (!arguments) return PyRef();
  return PyRef(PyObject_CallMethod(inheritance_->bootstrap.get(), "call_entry", "OsO", name_space,
                                   start.entry().c_str(), arguments.get()));
}

PyRef TaskRunner::CodeOf(const internal::StartTask& start) {
  const std::string& source = start.code();
  const std::string& file_name = start.file_name();
  const auto compiled = [&] {
    return PyRef(PyObject_CallFunction(inheritance_->compiled.get(), "y#s#", source.data(),
                                       static_cast<Py_ssize_t>(source.size()), file_name.data(),
                                       static_cast<Py_ssize_t>(file_name.size())));
  };
  if (source.size() > kCompiledSourceBytesMax) return compiled();
  std::string key = absl::StrCat(file_name, absl::string_view("\0", 1), source);  // no file's name has a zero in it
  if (const PyRef* const known = codes_.Find(key)) return PyRef(Py_NewRef(known->get()));
  PyRef code = compiled();
  // To compile, and to let go of what makes room (weak references call back), may let go of the lock: another thread
  // may have been here meanwhile.
  if (code) const std::optional<PyRef> made_room = codes_.Insert(std::move(key), PyRef(Py_NewRef(code.get())));
  return code;
}

PyRef TaskRunner::CallFunction(const internal::StartTask& start, const TaskState& task) {
  (task.session == nullptr ? functions_ : task.session->functions).Bury();
  CachedFunction* const function = task.function.get();
  if (function == nullptr) {
    PyErr_SetString(PyExc_SystemError, "the function did not reach its interpreter");
    return PyRef();
  }
  if (!function->callable) {
    PyRef callable(PyObject_CallMethod(inheritance_->bootstrap.get(), "unpickle", "y#", function->pickled.data(),
                                       static_cast<Py_ssize_t>(function->pickled.size())));
    if (!callable) return PyRef();
    // Two tasks may have come here at once: either's will do.
    if (!function->callable) function->callable = std::move(callable);
  }
  const PyRef buffers = BufferList(start);
  if (!buffers) return PyRef();
  return PyRef(PyObject_CallMethod(inheritance_->bootstrap.get(), "call", "Oy#O", function->callable.get(),
                                   start.pickled_arguments().data(),
                                   static_cast<Py_ssize_t>(start.pickled_arguments().size()), buffers.get()));
}

std::optional<int> TaskRunner::ExitCodeOf(PyObject* error) {
  if (!PyErr_GivenExceptionMatches(error, PyExc_SystemExit)) return std::nullopt;
  const PyRef code(PyObject_CallMethod(inheritance_->bootstrap.get(), "exit_code", "O", error));
  if (!code) PyErr_Clear();
  return code ? static_cast<int>(PyLong_AsLong(code.get())) : 1;
}

void TaskRunner::JoinThreads(TaskState* task) {
  const std::vector<uint64_t> idents = ThreadIdents(task);
  const PyRef set(PySet_New(nullptr));
  if (!set) return;
  for (const uint64_t ident : idents) {
    const PyRef number(PyLong_FromUnsignedLongLong(ident));
    if (!number || PySet_Add(set.get(), number.get()) != 0) return;
  }
  const PyRef done(PyObject_CallMethod(inheritance_->bootstrap.get(), "join_threads", "O", set.get()));
}

void TaskRunner::Conclude(const internal::StartTask& start, const TaskState& task, PyRef value, PyRef error,
                          internal::TaskEnded* ended) {
  ended->set_serial(start.serial());
  if (PyRef raised = FlushStreams(start.serial()); raised && !error) {
    value = PyRef();
    error = std::move(raised);
  }
  if (value) error = Encode(start, value.get(), ended);
  // The task may still have all it was allowed; its error's text needs room, too.
  if (start.memory_bytes() > 0) LimitMemory(kErrorTextMemoryBytes);
  const bool no_space = task.no_space.load() || SaysNoSpace(error.get());
  Classify(start, task, std::move(error), ended);
  if (no_space && options_.own_scratch) EndIfFull(FullnessOf(scratch_.path.c_str()), ended);
}

void TaskRunner::Classify(const internal::StartTask& start, const TaskState& task, PyRef error,
                          internal::TaskEnded* ended) {
  // Read once: describing may raise a stop once more.
  const bool stopped = task.stop.load();
  if (!error && stopped) {
    // Whatever it came to: a wait that was cut short, in C code too, is no success.
    SetStopped(ended);
    return;
  }
  if (!error) {
    const bool too_large = ended->result_bytes() > start.result_bytes();
    ended->set_ending(too_large ? internal::CODE_RESULT_LIMIT : internal::CODE_SUCCEEDED);
    return;
  }
  ended->clear_result();
  if (const std::optional<int> exit_code = ExitCodeOf(error.get()); exit_code && !stopped) {
    // What it is to print may have taken until now.
    if (task.stop.load()) return SetStopped(ended);
    ended->set_ending(internal::CODE_EXITED);
    ended->set_exit_code(*exit_code);
    return;
  }
  if (stopped) {
    ended->set_ending(internal::CODE_STOPPED);
  } else if (task.output_exceeded.load()) {
    ended->set_ending(internal::CODE_OUTPUT_LIMIT);
  } else if (start.memory_bytes() > 0 && PyErr_GivenExceptionMatches(error.get(), PyExc_MemoryError)) {
    ended->set_ending(internal::CODE_MEMORY_LIMIT);
  } else {
    ended->set_ending(internal::CODE_RAISED);
  }
  const PyRef source = ToBytes(start.code());
  const PyRef described(PyObject_CallMethod(inheritance_->bootstrap.get(), "describe", "OsO", error.get(),
                                            start.file_name().c_str(), source.get()));
  if (described && IsCall(start) && ended->ending() == internal::CODE_RAISED) AddPickled(error.get(), ended);
  // Its own __str__ may have taken until now, or not have come to its end.
  if (task.stop.load()) ended->set_ending(internal::CODE_STOPPED);
  if (!described) {
    // A stop that came a second time, or a class that will not be described: its name is what is left.
    ended->set_error_type(Bounded(Py_TYPE(error.get())->tp_name, kErrorTypeBytesMax));
    PyErr_Clear();
    return;
  }
  ended->set_error_type(Bounded(BytesOf(PyTuple_GET_ITEM(described.get(), 0)), kErrorTypeBytesMax));
  ended->set_error_message(Bounded(BytesOf(PyTuple_GET_ITEM(described.get(), 1)), kErrorMessageBytesMax));
  ended->set_error_before_start(PyTuple_GET_ITEM(described.get(), 3) == Py_True);
  ended->set_error_traceback(BoundedTail(BytesOf(PyTuple_GET_ITEM(described.get(), 2)), kErrorTracebackBytesMax));
}

void TaskRunner::AddPickled(PyObject* error, internal::TaskEnded* ended) {
  const PyRef pickled(PyObject_CallMethod(inheritance_->bootstrap.get(), "pickled_error", "On", error,
                                          static_cast<Py_ssize_t>(kErrorPickledBytesMax)));
  if (pickled && pickled.get() != Py_None) ended->set_error_pickled(std::string(BytesOf(pickled.get())));
  PyErr_Clear();
}

void TaskRunner::RaiseStop(TaskState* task) {
  if (task->ended.load()) return;
  for (const uint64_t ident : ThreadIdents(task)) RaiseStopIn(ident);
}

void TaskRunner::RaiseStopIn(uint64_t ident) {
  const PyRef stopped(PyObject_GetAttrString(inheritance_->bootstrap.get(), "TaskStopped"));
  if (!stopped) return PyErr_Clear();
  PyThreadState_SetAsyncExc(ident, stopped.get());
}

}  // namespace gild
