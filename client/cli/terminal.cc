#include "client/cli/terminal.h"

#include <errno.h>
#include <langinfo.h>
#include <locale.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace gild::cli {
namespace {

bool WantsColor(ColorMode mode, int fd) {
  switch (mode) {
    case ColorMode::kAlways: return true;
    case ColorMode::kNever: return false;
    case ColorMode::kAuto: break;
  }
  const char* no_color = getenv("NO_COLOR");
  const char* term = getenv("TERM");
  if (no_color != nullptr && *no_color != '\0') return false;
  return isatty(fd) && term != nullptr && strcmp(term, "dumb") != 0;
}

}  // namespace

Terminal::Terminal(ColorMode mode)
    : stderr_is_terminal_(isatty(STDERR_FILENO)),
      color_out_(WantsColor(mode, STDOUT_FILENO)),
      color_err_(WantsColor(mode, STDERR_FILENO)) {
  // Only LC_CTYPE: numbers keep their point.
  setlocale(LC_CTYPE, "");
  utf8_ = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
}

std::string Terminal::Paint(const std::string& text, const char* code, bool on) {
  return on ? absl::StrCat("\033[", code, "m", text, "\033[0m") : text;
}

void Terminal::Error(const std::string& cause, const std::string& hint) const {
  std::string text = absl::StrCat(Paint("gild:", "1;31", color_err_), " ", cause, "\n");
  if (!hint.empty()) absl::StrAppend(&text, Paint("hint:", "1;36", color_err_), " ", hint, "\n");
  WriteAll(STDERR_FILENO, text);
}

void Terminal::Warning(const std::string& text) const {
  WriteAll(STDERR_FILENO, absl::StrCat(Paint("gild:", "1;33", color_err_), " warning: ", text, "\n"));
}

int Terminal::Columns() {
  winsize size = {};
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  return 80;
}

ProgressBar::ProgressBar(const Terminal& terminal, std::string label, size_t total)
    : terminal_(terminal), label_(std::move(label)), total_(total) {
  Set(0);
}

ProgressBar::~ProgressBar() {
  if (terminal_.stderr_is_terminal()) WriteAll(STDERR_FILENO, "\r\033[K");
}

void ProgressBar::Set(size_t done) {
  if (!terminal_.stderr_is_terminal()) return;
  absl::MutexLock lock(&mutex_);
  const absl::Time now = absl::Now();
  if (now - drawn_ < absl::Milliseconds(100)) return;
  drawn_ = now;
  WriteAll(STDERR_FILENO, "\r" + Line(label_, done, total_, Terminal::Columns(), terminal_.color_err()) + "\033[K");
}

std::string ProgressBar::Line(const std::string& label, size_t done, size_t total, int columns, bool color) {
  // The last column stays free: some terminals wrap when it is written.
  const size_t room = static_cast<size_t>(std::max(columns - 1, 0));
  const std::string count = total == 0 ? absl::StrCat(done) : absl::StrCat(std::min(done, total), "/", total);
  if (label.size() + 1 + count.size() > room) return count.substr(0, room);
  const std::string plain = absl::StrCat(label, " ", count);
  const size_t spare = room - plain.size();
  if (spare < 8 || total == 0) return plain;
  const size_t width = std::min<size_t>(spare - 3, 40);
  const auto full = static_cast<size_t>(static_cast<double>(width) * std::min(done, total) / total);
  const std::string bar = std::string(full, '#');
  return absl::StrCat(label, " [", color ? "\033[32m" : "", bar, color ? "\033[0m" : "", std::string(width - full, '.'),
                      "] ", count);
}

bool WriteAll(int fd, const std::string& bytes) {
  size_t written = 0;
  while (written < bytes.size()) {
    const ssize_t n = write(fd, bytes.data() + written, bytes.size() - written);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return false;
    written += static_cast<size_t>(n);
  }
  return true;
}

}  // namespace gild::cli
