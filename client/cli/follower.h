// Follower: prints what a task prints as it does, and shows how far it says it is, until its outcome is there.
//
// On a terminal the progress is one line, redrawn under the output; elsewhere a line now and then. Start comes on any
// thread, once or never; the rest belongs to the main thread. Its own thread prints between Start and Stop: nobody else
// should.
//
//   Follower follower(&client, "primes.py", terminal, [&] { … cancel the task: its output goes nowhere … });
//   client.RunAsync(task, done, [&](const std::string& task_id) { follower.Start(task_id); });
//   … the outcome is there …
//   const Shown shown = follower.Stop();
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "client/cli/terminal.h"
#include "client/cpp/client.h"

namespace gild::cli {

// How much of a task's output has been printed.
struct Shown {
  size_t out_bytes = 0;
  size_t err_bytes = 0;
  int write_error = 0;  // of stdout, an errno; 0: none
};

class Follower {
 public:
  // `label` stands before the progress. `on_broken` is called, on the follower's thread, when stdout takes no more.
  Follower(Client* client, std::string label, const Terminal& terminal, std::function<void()> on_broken);
  Follower(const Follower&) = delete;
  Follower& operator=(const Follower&) = delete;
  ~Follower();

  // REQUIRES: the task is accepted, and Stop comes after this.
  void Start(const std::string& task_id);
  // The task is over. Prints its last words, if they come soon, and nothing after it.
  Shown Stop() ABSL_LOCKS_EXCLUDED(mutex_);

  // Whether Start has been called; else the server does not say what its tasks' ids are.
  bool started() const { return started_; }

 private:
  void Follow(const std::string& task_id) ABSL_LOCKS_EXCLUDED(mutex_);
  // False: stdout is broken.
  bool Show(const v1::WatchReply& reply);
  void WarnOf(const absl::Status& status);
  bool Print(int fd, const std::string& text);
  void ShowProgress();
  void WipeProgress();
  std::string ProgressText() const;

  Client* const client_;
  const std::string label_;
  const Terminal& terminal_;
  const std::function<void()> on_broken_;
  const bool stdout_beside_progress_;  // both go to a terminal
  bool started_ = false;
  std::thread thread_;

  // The follower's thread, then, after it, Stop.
  Shown shown_;
  std::optional<v1::Progress> progress_;
  bool progress_is_new_ = false;  // to whom it is told in lines
  bool drawn_ = false;            // there is a line of progress on the terminal
  bool line_open_ = false;        // where the progress goes there is a line of output that has not ended
  absl::Time told_ = absl::InfinitePast();

  absl::Mutex mutex_;
  TaskWatch* watch_ ABSL_GUARDED_BY(mutex_) = nullptr;  // while it is open
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  bool over_ ABSL_GUARDED_BY(mutex_) = false;  // the thread has nothing more to print
};

}  // namespace gild::cli
