#include "server/lane/endings.h"

#include <signal.h>
#include <sys/wait.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "server/base/errors.h"
#include "server/base/utf8.h"
#include "server/process/slot_process.h"
#include "server/task/file_path.h"

namespace gild {
namespace {

// Signals that the code brings upon itself: faults, and its own timers.
bool IsOwnDoing(int signal) {
  switch (signal) {
    case SIGALRM:
    case SIGVTALRM:
    case SIGPROF:
    case SIGSEGV:
    case SIGBUS:
    case SIGFPE:
    case SIGILL:
    case SIGABRT:
    case SIGSYS:
    case SIGXCPU:
    case SIGTRAP: return true;
    default: return false;
  }
}

std::optional<int> SignalOf(const InterpreterDeath& death) {
  if (!death.end || !WIFSIGNALED(death.end->wait_status)) return std::nullopt;
  return WTERMSIG(death.end->wait_status);
}

std::optional<int> ExitCodeOf(const InterpreterDeath& death) {
  if (!death.end || !WIFEXITED(death.end->wait_status)) return std::nullopt;
  return WEXITSTATUS(death.end->wait_status);
}

// The note names who, and the wait status says that such a death it was. A signal that was sent may have been survived:
// such a note says nothing about another one.
bool NoteAgrees(const InterpreterDeath& death) {
  const std::optional<int> signal = SignalOf(death);
  switch (death.note.death) {
    case Death::kNone: return false;
    case Death::kSentSignal: return signal == death.note.detail;
    case Death::kSignal: return signal && (*signal == death.note.detail || IsOwnDoing(*signal));
    case Death::kExit: return ExitCodeOf(death).has_value();
  }
  return false;
}

bool OverCpuLimit(const DoomedTask& doomed, const InterpreterDeath& death) {
  const int64_t allowed_ns = doomed.task->limits.cpu_ns;
  if (!death.alone || allowed_ns <= 0) return false;
  return SignalOf(death) == SIGKILL && doomed.cpu_ns.value_or(0) >= allowed_ns;
}

bool OutOfMemory(const InterpreterDeath& death) {
  return SignalOf(death) == SIGKILL && death.end->oom_kills > 0 && death.note.death != Death::kSentSignal;
}

std::string WhatHappened(const InterpreterDeath& death) {
  if (!death.end) return "is gone";
  if (OutOfMemory(death)) {
    return absl::StrCat("was killed by the kernel: all in it took more than ", death.end->memory_allowed_bytes,
                        " bytes of memory");
  }
  if (const std::optional<int> signal = SignalOf(death); signal && !IsOwnDoing(*signal)) {
    return absl::StrCat("was killed from outside: signal ", *signal);
  }
  if (SignalOf(death)) return absl::StrCat("crashed: ", DescribeWaitStatus(death.end->wait_status));
  return DescribeWaitStatus(death.end->wait_status);
}

void EndStopped(StopReason stop, const Limits& limits, int64_t wall_used_ns, Outcome* outcome) {
  if (stop == StopReason::kCancelled) {
    outcome->ending = Ending::kCancelled;
    outcome->evidence.detail = "cancelled while it ran";
    return;
  }
  outcome->ending = Ending::kTimedOut;
  outcome->evidence.limit = "wall";
  outcome->evidence.allowed = limits.wall_ns;
  outcome->evidence.used = wall_used_ns;
}

void EndLost(std::string detail, const DoomedTask& doomed, Outcome* outcome) {
  outcome->ending = Ending::kInterpreterLost;
  outcome->evidence.detail = std::move(detail);
  outcome->evidence.safe_to_retry = !doomed.begin_ns;
}

// The server ended the interpreter, and not on account of this task.
void EndRetired(const DoomedTask& doomed, const InterpreterDeath& death, Outcome* outcome) {
  const std::string its_interpreter = absl::StrCat("its interpreter ", death.interpreter);
  const std::string culprit = death.culprit_name.empty() ? "another task" : absl::StrCat("task ", death.culprit_name);
  switch (*death.retirement) {
    case Retirement::kTimedOut:
      return EndLost(absl::StrCat(its_interpreter, " was replaced: ", culprit, " overran its time and would not stop"),
                     doomed, outcome);
    case Retirement::kCancelled:
      return EndLost(absl::StrCat(its_interpreter, " was replaced: ", culprit, " was cancelled and would not stop"),
                     doomed, outcome);
    case Retirement::kProtocolError:
      outcome->ending = Ending::kProtocolError;
      outcome->evidence.detail = absl::StrCat(its_interpreter, " broke the frame protocol: ", death.detail);
      return;
    case Retirement::kThreadsLeft:
      return EndLost(absl::StrCat(its_interpreter, " was replaced: an earlier task left threads behind"), doomed,
                     outcome);
    case Retirement::kProcessesLeft:
      return EndLost(absl::StrCat(its_interpreter, " was replaced: an earlier task left processes behind"), doomed,
                     outcome);
    case Retirement::kResidue:
      return EndLost(absl::StrCat(its_interpreter, " was replaced: an earlier task left something behind"), doomed,
                     outcome);
    case Retirement::kSpent:
    case Retirement::kPrincipal:
      return EndLost(absl::StrCat(its_interpreter, " was replaced in turn"), doomed, outcome);
    case Retirement::kCpuLimit:
      if (!doomed.begin_ns) {
        return EndLost(absl::StrCat(its_interpreter, " was replaced: ", culprit, " used too much processor time"),
                       doomed, outcome);
      }
      outcome->ending = Ending::kCpuLimit;
      outcome->evidence.limit = "cpu";
      outcome->evidence.allowed = doomed.task->limits.cpu_ns;
      // Else it was processes of its own that used the rest.
      if (doomed.cpu_ns.value_or(0) >= doomed.task->limits.cpu_ns) outcome->evidence.used = doomed.cpu_ns;
      outcome->evidence.detail = "ended by the server, which looks ten times a second: its interpreter alone had not";
      return;
    case Retirement::kRestless:
      return EndLost(absl::StrCat(its_interpreter, " was replaced: ", death.detail), doomed, outcome);
    case Retirement::kStartFailed: return EndLost(absl::StrCat(its_interpreter, " did not start"), doomed, outcome);
    case Retirement::kSlotLost:
      return EndLost(absl::StrCat(its_interpreter, " went away with its slot: ", death.detail), doomed, outcome);
    case Retirement::kShutdown:
      return EndLost(absl::StrCat(its_interpreter, " was ended: the server stops and the grace is over"), doomed,
                     outcome);
  }
}

void EndBySignal(const InterpreterDeath& death, Outcome* outcome) {
  outcome->ending = Ending::kCrashed;
  outcome->evidence.detail = DescribeWaitStatus(death.end->wait_status);
}

void EndByExit(int exit_code, Outcome* outcome) {
  outcome->ending = Ending::kExited;
  outcome->evidence.exit_code = exit_code;
  outcome->evidence.detail = "it ended its process";
}

std::string TooLong(const char* what, size_t bytes, int64_t bytes_max) {
  return absl::StrCat(what, " of ", bytes, " bytes, at most ", bytes_max, " allowed");
}

std::string ProblemOfFiles(const internal::TaskEnded& ended, const Task& task, size_t result_bytes) {
  if (ended.files_size() > 0 && task.collect.empty()) return "files of a task that collects none";
  if (ended.files_size() > kCollectedFilesMax) return absl::StrCat(ended.files_size(), " files");
  size_t bytes = result_bytes;
  std::vector<absl::string_view> paths;
  for (const internal::File& file : ended.files()) {
    const std::string problem = ProblemOfPath(file.path());
    if (!problem.empty()) return absl::StrCat("a file's name that ", problem);
    bytes += file.content().size();
    paths.push_back(file.path());
  }
  if (const std::optional<PathClash> clash = ClashOf(paths)) return absl::StrCat("a file that ", clash->problem);
  return bytes > static_cast<size_t>(task.limits.result_bytes)
             ? TooLong("a result with its files", bytes, task.limits.result_bytes)
             : "";
}

}  // namespace

uint64_t CulpritOf(const InterpreterDeath& death) {
  if (death.retirement) return death.culprit;
  return NoteAgrees(death) ? death.note.serial : 0;
}

void EndDoomed(const DoomedTask& doomed, const InterpreterDeath& death, Outcome* outcome) {
  const std::optional<int> signal = SignalOf(death);
  const std::optional<int> exit_code = ExitCodeOf(death);
  if (doomed.stop != StopReason::kNone) {
    return EndStopped(doomed.stop, doomed.task->limits, death.at_ns - doomed.sent_ns, outcome);
  }
  if (death.retirement) return EndRetired(doomed, death, outcome);
  outcome->evidence.signal = signal;

  const std::string lost = absl::StrCat("its interpreter ", death.interpreter, " ", WhatHappened(death));
  if (!death.end || !doomed.begin_ns) return EndLost(lost, doomed, outcome);
  if (OverCpuLimit(doomed, death)) {
    outcome->ending = Ending::kCpuLimit;
    outcome->evidence.limit = "cpu";
    outcome->evidence.allowed = doomed.task->limits.cpu_ns;
    outcome->evidence.used = doomed.cpu_ns;
    return;
  }
  if (death.alone && OutOfMemory(death)) {
    outcome->ending = Ending::kMemoryLimit;
    outcome->evidence.limit = "memory";
    const int64_t asked = doomed.task->limits.memory_bytes;
    outcome->evidence.allowed = asked > 0 ? asked : death.end->memory_allowed_bytes;
    outcome->evidence.detail =
        absl::StrCat("the kernel killed it for want of memory (oom_kill ", death.end->oom_kills, ")");
    return;
  }
  const bool named = NoteAgrees(death) && death.note.serial == doomed.task->serial;
  if (signal && (named || (death.alone && IsOwnDoing(*signal)))) return EndBySignal(death, outcome);
  if (exit_code == kExitOfLostChannel && !NoteAgrees(death)) {
    outcome->ending = Ending::kProtocolError;
    outcome->evidence.detail = absl::StrCat("its interpreter ", death.interpreter, " closed its channel");
    return;
  }
  if (exit_code == kExitOfLostLoop && !NoteAgrees(death)) {
    return EndLost(absl::StrCat("the event loop of its interpreter ", death.interpreter, " died"), doomed, outcome);
  }
  if (exit_code == kExitOfStuckSession && !NoteAgrees(death)) {
    return EndLost(absl::StrCat("its interpreter ", death.interpreter,
                                " was replaced: the finalizers of a forgotten session would not stop"),
                   doomed, outcome);
  }
  if (exit_code && (named || death.alone)) return EndByExit(*exit_code, outcome);
  if (!death.alone && NoteAgrees(death) && !named) {
    const std::string culprit = death.culprit_name.empty() ? "a thread that an earlier task left behind"
                                                           : absl::StrCat("task ", death.culprit_name);
    return EndLost(absl::StrCat("its interpreter ", death.interpreter, " was brought down by ", culprit, ": ",
                                DescribeWaitStatus(death.end->wait_status)),
                   doomed, outcome);
  }
  EndLost(lost, doomed, outcome);
}

const char* RestartCause(const InterpreterDeath& death, bool was_ready, const std::optional<Ending>& only_task_ended) {
  if (death.retirement) {
    switch (*death.retirement) {
      case Retirement::kTimedOut: return "timed_out";
      case Retirement::kCancelled: return "cancelled";
      case Retirement::kProtocolError: return "protocol_error";
      case Retirement::kThreadsLeft: return "threads_left";
      case Retirement::kProcessesLeft: return "processes_left";
      case Retirement::kResidue: return "residue";
      case Retirement::kSpent: return "spent";
      case Retirement::kPrincipal: return "principal";
      case Retirement::kCpuLimit: return "cpu_limit";
      case Retirement::kRestless: return "restless";
      case Retirement::kStartFailed: return "start_failed";
      case Retirement::kSlotLost: return "slot_lost";
      case Retirement::kShutdown: return "shutdown";  // never counted: nothing is started after it
    }
  }
  if (!was_ready || !death.end) return "start_failed";
  if (only_task_ended == Ending::kCpuLimit) return "cpu_limit";
  if (OutOfMemory(death)) return "memory_limit";
  if (ExitCodeOf(death) == kExitOfLostLoop && !NoteAgrees(death)) return "loop_died";
  if (ExitCodeOf(death) == kExitOfStuckSession && !NoteAgrees(death)) return "session_stuck";
  if (ExitCodeOf(death) == kExitOfLeftProcesses && !NoteAgrees(death)) return "processes_left";
  if (ExitCodeOf(death)) return "exited";
  const bool own_doing = NoteAgrees(death) || IsOwnDoing(SignalOf(death).value_or(0));
  return own_doing ? "crashed" : "killed";
}

std::string ProblemOf(const internal::TaskEnded& ended, const Task& task, StopReason stop) {
  if (!internal::CodeEnding_IsValid(ended.ending()) || ended.ending() == internal::CODE_UNSPECIFIED) {
    return absl::StrCat("no such ending: ", static_cast<int>(ended.ending()));
  }
  if (ended.ending() == internal::CODE_STOPPED && stop == StopReason::kNone) return "a task that nobody stopped";
  // One of the three, the others are empty.
  const size_t result_bytes =
      ended.result().raw().size() + ended.result().json().size() + ended.result().pickled().size();
  if (result_bytes > static_cast<size_t>(task.limits.result_bytes)) {
    return TooLong("a result", result_bytes, task.limits.result_bytes);
  }
  if (ended.result().has_json() && !IsUtf8(ended.result().json())) return "a JSON result that is not UTF-8";
  if (ended.error_type().size() > static_cast<size_t>(kErrorTypeBytesMax)) {
    return TooLong("an error's type", ended.error_type().size(), kErrorTypeBytesMax);
  }
  if (ended.error_message().size() > static_cast<size_t>(kErrorMessageBytesMax)) {
    return TooLong("an error's message", ended.error_message().size(), kErrorMessageBytesMax);
  }
  if (ended.error_traceback().size() > static_cast<size_t>(kErrorTracebackBytesMax)) {
    return TooLong("a traceback", ended.error_traceback().size(), kErrorTracebackBytesMax);
  }
  if (ended.error_pickled().size() > static_cast<size_t>(kErrorPickledBytesMax)) {
    return TooLong("a pickled error", ended.error_pickled().size(), kErrorPickledBytesMax);
  }
  if (ended.lock_profile_size() > kLockProfileMax) {
    return absl::StrCat("a lock profile of ", ended.lock_profile_size(), " functions, at most ", kLockProfileMax,
                        " allowed");
  }
  for (const internal::FunctionHold& hold : ended.lock_profile()) {
    const size_t bytes = std::max(hold.function().size(), hold.file().size());
    if (bytes > static_cast<size_t>(kFunctionNameBytesMax)) {
      return TooLong("a name in its lock profile", bytes, kFunctionNameBytesMax);
    }
  }
  if (ended.residue_size() > kResidueMax) return absl::StrCat(ended.residue_size(), " kinds of residue");
  if (ended.warnings_size() > kWarningsMax) return absl::StrCat(ended.warnings_size(), " warnings");
  for (const std::string& warning : ended.warnings()) {
    if (warning.size() > static_cast<size_t>(kWarningBytesMax)) {
      return TooLong("a warning", warning.size(), kWarningBytesMax);
    }
  }
  return ProblemOfFiles(ended, task, result_bytes);
}

void EndReported(internal::TaskEnded* ended, const Task& task, StopReason stop, int64_t wall_used_ns,
                 Outcome* outcome) {
  const Limits& limits = task.limits;
  Evidence& evidence = outcome->evidence;
  for (std::string& warning : *ended->mutable_warnings()) outcome->warnings.push_back(std::move(warning));
  for (internal::File& file : *ended->mutable_files()) {
    outcome->files.push_back({std::move(*file.mutable_path()), std::move(*file.mutable_content())});
  }
  if (!ended->error_type().empty()) {
    outcome->error = Error{.type = RepairUtf8(ended->error_type()),
                           .message = RepairUtf8(ended->error_message()),
                           .traceback = RepairUtf8(ended->error_traceback()),
                           .before_start = ended->error_before_start(),
                           .pickled = std::move(*ended->mutable_error_pickled())};
  }
  switch (ended->ending()) {
    case internal::CODE_SUCCEEDED:
      outcome->ending = Ending::kSucceeded;
      outcome->error.reset();
      if (ended->result().has_raw()) {
        outcome->result = {Value::Kind::kRaw, std::move(*ended->mutable_result()->mutable_raw())};
      } else if (ended->result().has_pickled()) {
        outcome->result = {Value::Kind::kPickled, std::move(*ended->mutable_result()->mutable_pickled())};
      } else if (ended->result().has_json()) {
        outcome->result = {Value::Kind::kJson, std::move(*ended->mutable_result()->mutable_json())};
      }
      return;
    case internal::CODE_RAISED: outcome->ending = Ending::kRaised; return;
    case internal::CODE_EXITED:
      outcome->ending = Ending::kExited;
      evidence.exit_code = ended->exit_code();
      return;
    case internal::CODE_MEMORY_LIMIT:
      outcome->ending = Ending::kMemoryLimit;
      evidence.limit = "memory";
      evidence.allowed = limits.memory_bytes;
      // How much it would have been is not known: the allocation that went too far was refused.
      evidence.detail = "an allocation beyond the limit was refused";
      return;
    case internal::CODE_OUTPUT_LIMIT:
      outcome->ending = Ending::kOutputLimit;
      evidence.limit = "output";
      evidence.allowed = limits.output_bytes;
      return;
    case internal::CODE_RESULT_LIMIT:
      outcome->ending = Ending::kResultLimit;
      evidence.limit = "result";
      evidence.allowed = limits.result_bytes;
      evidence.used = static_cast<int64_t>(ended->result_bytes() >> 63 ? INT64_MAX : ended->result_bytes());
      if (!task.collect.empty()) evidence.detail = "the result and the files collected";
      return;
    case internal::CODE_SCRATCH_LIMIT:
      outcome->ending = Ending::kScratchLimit;
      evidence.limit = ended->scratch_files() ? "scratch_files" : "scratch";
      evidence.allowed = evidence.used = ended->scratch_files()
                                             ? (limits.scratch_files > 0 ? limits.scratch_files : kScratchInodes)
                                             : (limits.scratch_bytes > 0 ? limits.scratch_bytes : kScratchBytes);
      evidence.detail = "its file system was full";
      return;
    case internal::CODE_STOPPED: return EndStopped(stop, limits, wall_used_ns, outcome);
    case internal::CODE_UNSPECIFIED:
    case internal::CodeEnding_INT_MIN_SENTINEL_DO_NOT_USE_:
    case internal::CodeEnding_INT_MAX_SENTINEL_DO_NOT_USE_: break;
  }
  GILD_CHECK(false);  // ProblemOf has refused it
}

void EndRefused(uint64_t refused, int64_t allowed, Outcome* outcome) {
  if (refused == 0) return;
  switch (outcome->ending) {
    case Ending::kSucceeded:
    case Ending::kRaised:
    case Ending::kExited:
    case Ending::kMemoryLimit:  // a thread's stack that found no room looks the same to the task
      outcome->ending = Ending::kProcessLimit;
      outcome->result = {};
      outcome->evidence = {.detail = absl::StrCat("the kernel refused ", refused, " more (pids group)"),
                           .limit = "processes",
                           .allowed = allowed,
                           .used = allowed};
      return;
    case Ending::kCrashed:
    case Ending::kTimedOut:
    case Ending::kCpuLimit:
    case Ending::kOutputLimit:
    case Ending::kResultLimit:
    case Ending::kCancelled:
    case Ending::kExpired:
    case Ending::kInterpreterLost:
    case Ending::kProtocolError:
    case Ending::kProcessLimit:
    case Ending::kScratchLimit: return;
  }
}

std::string ResidueText(const internal::TaskEnded& ended) {
  std::vector<absl::string_view> words;
  for (const int residue : ended.residue()) {
    switch (residue) {
      case internal::RESIDUE_DESCRIPTORS: words.push_back("open descriptors"); break;
      case internal::RESIDUE_SIGNALS: words.push_back("signal handlers or a mask"); break;
      case internal::RESIDUE_LIMITS: words.push_back("resource limits"); break;
      case internal::RESIDUE_FILES: words.push_back("files without a name"); break;
    }
  }
  return absl::StrJoin(words, ", ");
}

}  // namespace gild
