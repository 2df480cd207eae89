// RunBatch: so many tasks through one client, a bounded number of them under way at a time.
//
// Call it from one thread; it blocks until the last reply. It owns nothing: what it is given must outlive it. The first
// task that does not succeed, or call that fails, stops the submitting, cancels what is under way and is the one that
// is told.
//
//   Batch batch = {.task = [&](size_t) { return task; }, .tasks = 100, .outstanding = 8};
//   batch.keep = [&](size_t, v1::Outcome outcome) { run += FromProto(outcome.usage().run()); };
//   std::optional<absl::Duration> wall = RunBatch(&client, batch, terminal, &failure);
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "client/cli/terminal.h"
#include "client/cpp/client.h"

namespace gild::cli {

struct Batch {
  std::function<v1::Task(size_t index)> task;
  // Given each outcome that succeeded, one at a time, on a thread of the client's.
  std::function<void(size_t index, v1::Outcome)> keep;
  size_t tasks = 0;
  size_t outstanding = 1;
  std::string label;  // of the progress bar
};

// What went wrong first: a call (`status`), or else a task (`outcome`).
struct BatchFailure {
  absl::Status status;
  v1::Outcome outcome;
};

// From the first submit to the last reply, by a monotonic clock. Empty: `failure` says why. REQUIRES: outstanding > 0
std::optional<absl::Duration> RunBatch(Client* client, const Batch& batch, const Terminal& terminal,
                                       BatchFailure* failure);

}  // namespace gild::cli
