#include "client/cli/run_command.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "client/cli/exit_code.h"
#include "client/cli/json.h"
#include "client/cli/out_folder.h"
#include "client/cli/outcome_json.h"
#include "client/cli/signals.h"
#include "client/cli/units.h"
#include "client/cpp/client.h"
#include "client/cpp/durations.h"

namespace gild::cli {
namespace {

// What the server takes of Task.files, together.
constexpr uint64_t kFilesBytesMax = 16 << 20;
// Of files that were collected so many are named.
constexpr int kCollectedShown = 10;
constexpr char kIntoHint[] = "collected files are written into the folder --into (default: this one)";

// All of a file or, for "-", of stdin. Nothing larger than `most` is read to its end.
bool ReadAll(const std::string& path, uint64_t most, const char* too_large, std::string* bytes, std::string* why) {
  const int fd = path == "-" ? STDIN_FILENO : open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    *why = strerror(errno);
    return false;
  }
  bytes->clear();
  char buffer[65536];
  ssize_t n = 0;
  while (bytes->size() <= most) {
    n = read(fd, buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    bytes->append(buffer, static_cast<size_t>(n));
  }
  if (n < 0) *why = strerror(errno);
  if (n > 0) *why = too_large;
  if (fd != STDIN_FILENO) close(fd);
  return n == 0;
}

bool ReadAll(const std::string& path, std::string* bytes, std::string* why) {
  return ReadAll(path, kClientMessageBytesMax, "larger than a task may be (48 MiB)", bytes, why);
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

// LOCAL or LOCAL:NAME; a file that has the colon in its own name is meant where there is one.
std::pair<std::string, std::string> LocalAndName(const std::string& text) {
  const size_t colon = text.rfind(':');
  if (colon != std::string::npos && access(text.c_str(), F_OK) != 0) {
    return {text.substr(0, colon), text.substr(colon + 1)};
  }
  return {text, text.substr(text.rfind('/') + 1)};
}

bool AddFiles(const std::vector<std::string>& files, v1::Task* task, Explanation* complaint) {
  uint64_t room = kFilesBytesMax;
  for (const std::string& text : files) {
    v1::File* const file = task->add_files();
    const auto [local, name] = LocalAndName(text);
    file->set_path(name);
    if (!IsUtf8(name)) {
      *complaint = {absl::StrCat("--file ", OneLine(text), ": its name is not UTF-8"),
                    "give it another: --file LOCAL:NAME"};
      return false;
    }
    struct stat status;
    std::string why;
    if (stat(local.c_str(), &status) == 0 && S_ISDIR(status.st_mode)) {
      *complaint = {absl::StrCat("--file ", OneLine(text), ": it is a folder"),
                    "give its files one by one, or an archive that the task unpacks"};
      return false;
    }
    if (!ReadAll(local, room, "with it, the files are larger than 16 MiB together", file->mutable_content(), &why)) {
      *complaint = {absl::StrCat("--file ", OneLine(text), ": ", why),
                    "--file LOCAL[:NAME] puts the file LOCAL into the task's folder, 16 MiB in all"};
      return false;
    }
    room -= file->content().size();
  }
  return true;
}

void SetLimits(const RunOptions& options, v1::Task* task) {
  if (options.timeout) *task->mutable_limits()->mutable_wall() = ToProto(*options.timeout);
  if (options.queue_timeout) *task->mutable_limits()->mutable_queue() = ToProto(*options.queue_timeout);
  if (options.cpu_time) *task->mutable_limits()->mutable_cpu() = ToProto(*options.cpu_time);
  if (options.memory_bytes) task->mutable_limits()->set_memory_bytes(*options.memory_bytes);
  if (options.processes) task->mutable_limits()->set_processes(*options.processes);
  if (options.scratch_bytes) task->mutable_limits()->set_scratch_bytes(*options.scratch_bytes);
  if (options.scratch_files) task->mutable_limits()->set_scratch_files(*options.scratch_files);
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
      [&outcome, &ended](absl::StatusOr<const v1::Outcome*> result) {
        outcome = CopyOf(result);
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

// Of the first that cannot be written; the others are. Empty: all are.
Explanation SaveFiles(const v1::Outcome& outcome, OutFolder* folder) {
  Explanation complaint;
  int failed = 0;
  for (const v1::File& file : outcome.files()) {
    const std::string why = folder->Write(file.path(), file.content());
    if (why.empty() || ++failed > 1) continue;
    complaint = {absl::StrCat("cannot write the collected file ", OneLine(file.path()), ": ", why), kIntoHint};
  }
  if (failed > 1) absl::StrAppend(&complaint.cause, " (and ", failed - 1, " more)");
  return complaint;
}

void TellOfFiles(const v1::Outcome& outcome) {
  std::string text;
  for (int i = 0; i < std::min(outcome.files_size(), kCollectedShown); ++i) {
    const v1::File& file = outcome.files(i);
    absl::StrAppend(&text, "collected ", OneLine(file.path()), " (", SizeText(file.content().size()), ")\n");
  }
  if (outcome.files_size() > kCollectedShown) {
    absl::StrAppend(&text, "collected ", outcome.files_size() - kCollectedShown, " more\n");
  }
  WriteAll(STDERR_FILENO, text);
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
  std::vector<std::pair<const char*, const std::string*>> texts = {
      {"--entry", &options.entry}, {"--name", &options.name}, {"--session", &options.session}};
  for (const std::string& pattern : options.collect) texts.emplace_back("--collect", &pattern);
  for (const auto& [option, text] : texts) {
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
  for (const std::string& pattern : options.collect) task->add_collect(pattern);
  task->set_allow_subprocess(options.allow_subprocess);
  if (options.fresh) task->set_isolation(v1::FRESH);
  return AddFiles(options.files, task, complaint);
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
  OutFolder folder;
  bool good = MakeTask(options, &task, &complaint);
  if (good && !options.collect.empty()) {
    // Before the task has run for nothing.
    const std::string why = folder.Open(options.into);
    if (!why.empty()) complaint = {absl::StrCat("--into ", OneLine(options.into), ": ", why), kIntoHint};
    good = why.empty();
  }
  if (!good) {
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
  // Files first: whoever reads stdout may close it.
  const Explanation unsaved = !outcome.ok() || options.collect.empty() ? Explanation() : SaveFiles(*outcome, &folder);
  if (shown.write_error != 0) return FailedWrite(terminal, shown.write_error);
  if (outcome.ok()) {
    if (options.follow && !follower.started()) {
      terminal.Warning("cannot follow the task: the server is too old; its output comes at its end");
    }
    const int exit_code = ShowOutcome(*outcome, options, terminal, shown);
    if (!unsaved.cause.empty()) {
      terminal.Error(unsaved.cause, unsaved.hint);
      return kExitGildFailed;
    }
    if (!options.json && !options.collect.empty()) TellOfFiles(*outcome);
    return exit_code;
  }

  const ServerError error = ServerError::From(outcome.status());
  const Explanation why = Explain(error, address);
  if (options.json && !WriteAll(STDOUT_FILENO, FailureJson(error, why.cause) + "\n")) return FailedWrite(terminal);
  terminal.Error(why.cause, why.hint);
  return signal == SIGTERM ? kExitTerminated : ExitCode(error);
}

}  // namespace gild::cli
