#include "client/cli/follower.h"

#include <errno.h>
#include <unistd.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "client/cli/explain.h"
#include "client/cpp/server_error.h"

namespace gild::cli {
namespace {

// The server sends a task's last words before its outcome, on another stream.
constexpr absl::Duration kLastWords = absl::Milliseconds(250);
// Between two lines of progress where it cannot be redrawn.
constexpr absl::Duration kLineInterval = absl::Seconds(1);

bool SameProgress(const std::optional<v1::Progress>& a, const v1::Progress& b) {
  return a && a->done() == b.done() && a->total() == b.total();
}

}  // namespace

Follower::Follower(Client* client, std::string label, const Terminal& terminal, std::function<void()> on_broken)
    : client_(client),
      label_(std::move(label)),
      terminal_(terminal),
      on_broken_(std::move(on_broken)),
      stdout_beside_progress_(terminal.stderr_is_terminal() && isatty(STDOUT_FILENO)) {}

Follower::~Follower() { Stop(); }

void Follower::Start(const std::string& task_id) {
  started_ = true;
  thread_ = std::thread([this, task_id] { Follow(task_id); });
}

Shown Follower::Stop() {
  if (!thread_.joinable()) return shown_;
  {
    absl::MutexLock lock(&mutex_);
    mutex_.AwaitWithTimeout(absl::Condition(&over_), kLastWords);
    stopped_ = true;
    if (watch_ != nullptr) watch_->Cancel();
  }
  thread_.join();
  WipeProgress();
  if (progress_is_new_ && !line_open_) WriteAll(STDERR_FILENO, ProgressText());
  return shown_;
}

void Follower::Follow(const std::string& task_id) {
  const std::unique_ptr<TaskWatch> watch = client_->OpenWatch(task_id);
  {
    absl::MutexLock lock(&mutex_);
    watch_ = watch.get();
    if (stopped_) watch->Cancel();
  }
  v1::WatchReply reply;
  bool intact = true;
  while (intact && watch->Next(&reply)) intact = Show(reply);
  if (!intact) {
    watch->Cancel();
    on_broken_();
  }
  const absl::Status status = watch->Finish();
  absl::MutexLock lock(&mutex_);
  watch_ = nullptr;
  if (intact && !stopped_) WarnOf(status);
  over_ = true;
}

void Follower::WarnOf(const absl::Status& status) {
  // NOT_FOUND: it was quicker than we. A broken connection is for whoever waits for the outcome to explain.
  if (status.ok() || absl::IsNotFound(status) || absl::IsUnavailable(status) || absl::IsCancelled(status)) return;
  WipeProgress();
  terminal_.Warning(absl::StrCat("cannot follow the task: ", OneLine(ServerError::From(status).message),
                                 "; its output comes at its end"));
}

bool Follower::Show(const v1::WatchReply& reply) {
  if (!reply.stdout().empty() || !reply.stderr().empty()) WipeProgress();
  if (!Print(STDOUT_FILENO, reply.stdout())) {
    shown_.write_error = errno;
    return false;
  }
  shown_.out_bytes += reply.stdout().size();
  // As at the end: nobody is told that stderr is broken.
  Print(STDERR_FILENO, reply.stderr());
  shown_.err_bytes += reply.stderr().size();
  if (reply.has_progress() && !SameProgress(progress_, reply.progress())) {
    progress_ = reply.progress();
    progress_is_new_ = !terminal_.stderr_is_terminal();
  }
  ShowProgress();
  return true;
}

bool Follower::Print(int fd, const std::string& text) {
  if (text.empty()) return true;
  if (fd == STDERR_FILENO || stdout_beside_progress_) line_open_ = text.back() != '\n';
  return WriteAll(fd, text);
}

void Follower::ShowProgress() {
  if (!progress_ || line_open_) return;  // under the output, not into it
  if (terminal_.stderr_is_terminal()) {
    WriteAll(STDERR_FILENO, absl::StrCat("\r", ProgressText(), "\033[K"));
    drawn_ = true;
    return;
  }
  const absl::Time now = absl::Now();
  if (!progress_is_new_ || now - told_ < kLineInterval) return;
  WriteAll(STDERR_FILENO, ProgressText());
  told_ = now;
  progress_is_new_ = false;
}

void Follower::WipeProgress() {
  if (std::exchange(drawn_, false)) WriteAll(STDERR_FILENO, "\r\033[K");
}

std::string Follower::ProgressText() const {
  const size_t done = progress_->done(), total = progress_->total();
  if (terminal_.stderr_is_terminal()) {
    // Where a terminal shows ^C, the line must not wrap for it.
    return ProgressBar::Line(label_, done, total, Terminal::Columns() - 2, terminal_.color_err());
  }
  return absl::StrCat("progress ", done, total == 0 ? "" : absl::StrCat("/", total), "\n");
}

}  // namespace gild::cli
