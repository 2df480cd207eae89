// What the terminal can do, and the few things drawn on it: colour, a progress bar, messages on stderr.
//
// Data goes to stdout, talk goes to stderr. Colour follows --color, then NO_COLOR and TERM=dumb, then whether the
// stream is a terminal. A ProgressBar may be moved from any thread; the rest belongs to the main thread.
//
//   Terminal terminal(ColorMode::kAuto);
//   terminal.Error("server at :1 refused the connection", "start one with `./run server`");
//   ProgressBar bar(terminal, "resize 1000 images, I/O lane", 1000);  // draws nothing unless stderr is a terminal
#pragma once

#include <cstddef>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace gild::cli {

enum class ColorMode { kAuto, kAlways, kNever };

class Terminal {
 public:
  explicit Terminal(ColorMode mode);

  // `gild: cause` and, where there is one, `hint: what to do`.
  void Error(const std::string& cause, const std::string& hint = "") const;
  void Warning(const std::string& text) const;

  // For stdout.
  std::string Bold(const std::string& text) const { return Paint(text, "1", color_out_); }

  // The locale's characters are UTF-8, so that ▁▂▃ will come out.
  bool utf8() const { return utf8_; }
  bool stderr_is_terminal() const { return stderr_is_terminal_; }
  bool color_err() const { return color_err_; }
  // Columns of stderr now; 80 where nobody knows.
  static int Columns();

 private:
  static std::string Paint(const std::string& text, const char* code, bool on);

  bool stderr_is_terminal_;
  bool color_out_;
  bool color_err_;
  bool utf8_;
};

// One line on stderr, redrawn ten times a second at most and wiped at the end.
class ProgressBar {
 public:
  ProgressBar(const Terminal& terminal, std::string label, size_t total);
  ProgressBar(const ProgressBar&) = delete;
  ~ProgressBar();
  void Set(size_t done) ABSL_LOCKS_EXCLUDED(mutex_);

  // The line for so many columns; never longer than columns - 1. Total 0: nobody knows it.
  static std::string Line(const std::string& label, size_t done, size_t total, int columns, bool color);

 private:
  const Terminal& terminal_;
  const std::string label_;
  const size_t total_;
  absl::Mutex mutex_;
  absl::Time drawn_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
};

// All of it, or false with errno: stdout may be a full disk or a closed pipe.
bool WriteAll(int fd, const std::string& bytes);

}  // namespace gild::cli
