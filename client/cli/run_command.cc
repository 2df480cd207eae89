#include "client/cli/run_command.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "client/cli/exit_code.h"
#include "client/cli/json.h"
#include "client/cli/outcome_json.h"
#include "client/cli/signals.h"
#include "client/cli/units.h"
#include "client/cpp/client.h"
#include "client/cpp/durations.h"

namespace gild::cli {
namespace {

// All of a file or, for "-", of stdin. Nothing larger than a task may be is read to its end.
bool ReadAll(const std::string& path, std::string* bytes, std::string* why) {
  const int fd = path == "-" ? STDIN_FILENO : open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    *why = strerror(errno);
    return false;
  }
  bytes->clear();
  char buffer[65536];
  ssize_t n = 0;
  while (bytes->size() <= static_cast<size_t>(kClientMessageBytesMax)) {
    n = read(fd, buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    bytes->append(buffer, static_cast<size_t>(n));
  }
  if (n < 0) *why = strerror(errno);
  if (n > 0) *why = "larger than a task may be (48 MiB)";
  if (fd != STDIN_FILENO) close(fd);
  return n == 0;
}

bool AddArgument(const std::string& argument, v1::Source* source, Explanation* complaint) {
  v1::Value* value = source->add_arguments();
  if (!argument.empty() && argument.front() == '@') {
    std::string why;
    if (ReadAll(argument.substr(1), value->mutable_raw(), &why)) return true;
    *complaint = {absl::StrCat("--arg ", OneLine(argument), ": ", why), "--arg @FILE hands over the bytes of FILE"};
    return false;
  }
  if (!IsJson(argument)) {
    *complaint = {absl::StrCat("--arg ", OneLine(argument), " is not JSON"),
                  "quote text twice: --arg '\"hello\"'; --arg @FILE hands over the bytes of FILE"};
    return false;
  }
  value->set_json(argument);
  return true;
}

void SetLimits(const RunOptions& options, v1::Task* task) {
  if (options.timeout) *task->mutable_limits()->mutable_wall() = ToProto(*options.timeout);
  if (options.queue_timeout) *task->mutable_limits()->mutable_queue() = ToProto(*options.queue_timeout);
  if (options.cpu_time) *task->mutable_limits()->mutable_cpu() = ToProto(*options.cpu_time);
  if (options.memory_bytes) task->mutable_limits()->set_memory_bytes(*options.memory_bytes);
  if (options.output_bytes) task->mutable_limits()->set_output_bytes(*options.output_bytes);
}

// Rung by any thread, waited for with poll(2).
class Bell {
 public:
  Bell() : fd_(eventfd(0, EFD_CLOEXEC)) {}
  Bell(const Bell&) = delete;
  Bell& operator=(const Bell&) = delete;
  ~Bell() { close(fd_); }
  int fd() const { return fd_; }
  void Ring() const { eventfd_write(fd_, 1); }
  void Hear() const {
    eventfd_t rings;
    eventfd_read(fd_, &rings);
  }

 private:
  const int fd_;
};

// Waits for the task, or for a signal or `give_up`, which cancel it. *signal is 0 when none came. `accepted` may be
// null.
absl::StatusOr<v1::Outcome> RunUnlessInterrupted(Client* client, const v1::Task& task, const Signals& signals,
                                                 const Bell& give_up, Client::AcceptedCallback accepted, int* signal) {
  absl::StatusOr<v1::Outcome> outcome = absl::UnknownError("");
  const Bell ended;
  Client::Call call = client->RunAsync(
      task,
      [&outcome, &ended](absl::StatusOr<v1::Outcome> result) {
        outcome = std::move(result);
        ended.Ring();
      },
      std::move(accepted));
  *signal = 0;
  for (;;) {
    pollfd wait[] = {{ended.fd(), POLLIN, 0}, {signals.fd(), POLLIN, 0}, {give_up.fd(), POLLIN, 0}};
    if (poll(wait, 3, -1) < 0) continue;
    if (wait[0].revents != 0) break;
    if (wait[1].revents != 0) *signal = signals.Read();
    if (wait[2].revents != 0) give_up.Hear();
    call.Cancel();
  }
  ended.Hear();
  return outcome;
}

bool EndsLine(const std::string& text) { return text.empty() || text.back() == '\n'; }

std::string After(const std::string& text, size_t shown) { return shown < text.size() ? text.substr(shown) : ""; }

// What stands before its progress.
std::string LabelOf(const RunOptions& options) {
  if (!options.name.empty()) return OneLine(options.name);
  if (options.code || options.file == "-") return "progress";
  return OneLine(options.file.substr(options.file.rfind('/') + 1));
}

int FailedWrite(const Terminal& terminal, int error = errno) {
  terminal.Error(absl::StrCat("cannot write to stdout: ", strerror(error)));
  return kExitGildFailed;
}

void WarnOfCuts(const v1::Outcome& outcome, const Terminal& terminal) {
  const auto warn = [&terminal](const char* stream, const std::string& kept) {
    terminal.Warning(absl::StrCat(stream, " was cut after ", SizeText(kept.size()), "; raise it with --output"));
  };
  if (outcome.stdout_truncated()) warn("stdout", outcome.stdout());
  if (outcome.stderr_truncated()) warn("stderr", outcome.stderr());
  for (const std::string& warning : outcome.warnings()) terminal.Warning(OneLine(warning));
}

}  // namespace

v1::Tag TagOf(const std::string& tag) { return tag == "io" ? v1::IO : tag == "cpu" ? v1::CPU : v1::AUTO; }

bool MakeTask(const RunOptions& options, v1::Task* task, Explanation* complaint) {
  v1::Source* source = task->mutable_source();
  if (options.code) {
    source->set_code(*options.code);
  } else {
    std::string why;
    if (!ReadAll(options.file, source->mutable_code(), &why)) {
      *complaint = {absl::StrCat(options.file == "-" ? "stdin" : OneLine(options.file), ": ", why),
                    "give a file of Python source, -c CODE, or - for stdin"};
      return false;
    }
  }
  if (!IsUtf8(source->code())) {
    *complaint = {absl::StrCat(options.code ? "-c" : OneLine(options.file), ": the source is not UTF-8"),
                  "gild takes Python source in UTF-8"};
    return false;
  }
  if (options.entry.empty() && !options.arguments.empty()) {
    *complaint = {"--arg needs --entry", "name the function that takes the arguments with --entry"};
    return false;
  }
  for (const auto& [option, text] : {std::pair<const char*, const std::string*>{"--entry", &options.entry},
                                     {"--name", &options.name},
                                     {"--session", &options.session}}) {
    if (IsUtf8(*text)) continue;
    *complaint = {absl::StrCat(option, " is not UTF-8"), ""};
    return false;
  }
  source->set_entry(options.entry);
  for (const std::string& argument : options.arguments) {
    if (!AddArgument(argument, source, complaint)) return false;
  }
  task->set_name(options.name);
  task->set_tag(TagOf(options.tag));
  task->set_session(options.session);
  SetLimits(options, task);
  return true;
}

int ShowOutcome(const v1::Outcome& outcome, const RunOptions& options, const Terminal& terminal, const Shown& shown) {
  if (options.json) {
    if (!WriteAll(STDOUT_FILENO, OutcomeJson(outcome) + "\n")) return FailedWrite(terminal);
    return ExitCode(outcome);
  }
  if (!WriteAll(STDOUT_FILENO, After(outcome.stdout(), shown.out_bytes))) return FailedWrite(terminal);
  WriteAll(STDERR_FILENO, After(outcome.stderr(), shown.err_bytes));
  std::string result;
  switch (outcome.result().kind_case()) {
    case v1::Value::kJson: result = outcome.result().json() + "\n"; break;
    case v1::Value::kRaw: result = outcome.result().raw(); break;
    case v1::Value::kPickled: result = outcome.result().pickled(); break;
    case v1::Value::KIND_NOT_SET: break;
  }
  if (!WriteAll(STDOUT_FILENO, result)) return FailedWrite(terminal);
  WarnOfCuts(outcome, terminal);
  const Explanation why = Explain(outcome, options.entry);
  const v1::Error& error = outcome.error();
  if (outcome.has_error() && error.type() != kEntryNotFound) {
    std::string text = error.traceback();
    if (text.empty()) text = absl::StrCat(error.type(), error.message().empty() ? "" : ": ", error.message());
    if (!EndsLine(outcome.stderr())) text.insert(0, "\n");
    if (!EndsLine(text)) text += '\n';
    WriteAll(STDERR_FILENO, text);
  }
  if (!why.cause.empty()) terminal.Error(why.cause, why.hint);
  return ExitCode(outcome);
}

int RunTask(const RunOptions& options, const std::string& address, const Terminal& terminal) {
  v1::Task task;
  Explanation complaint;
  if (!MakeTask(options, &task, &complaint)) {
    terminal.Error(complaint.cause, complaint.hint);
    return kExitUsage;
  }
  const Signals signals;
  Client client(address);
  int signal = 0;
  const Bell stdout_broken;
  Follower follower(&client, LabelOf(options), terminal, [&stdout_broken] { stdout_broken.Ring(); });
  Client::AcceptedCallback follow;
  if (options.follow) follow = [&follower](const std::string& task_id) { follower.Start(task_id); };
  const absl::StatusOr<v1::Outcome> outcome =
      RunUnlessInterrupted(&client, task, signals, stdout_broken, std::move(follow), &signal);
  const Shown shown = follower.Stop();
  if (shown.write_error != 0) return FailedWrite(terminal, shown.write_error);
  if (outcome.ok()) {
    if (options.follow && !follower.started()) {
      terminal.Warning("cannot follow the task: the server is too old; its output comes at its end");
    }
    return ShowOutcome(*outcome, options, terminal, shown);
  }

  const ServerError error = ServerError::From(outcome.status());
  const Explanation why = Explain(error, address);
  if (options.json && !WriteAll(STDOUT_FILENO, FailureJson(error, why.cause) + "\n")) return FailedWrite(terminal);
  terminal.Error(why.cause, why.hint);
  return signal == SIGTERM ? kExitTerminated : ExitCode(error);
}

}  // namespace gild::cli
