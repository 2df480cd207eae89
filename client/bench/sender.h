// Sender: one connection, and one way to send tasks over it: unary calls, or one stream.
//
// Any thread may send. Callbacks come one at a time on the sender's own thread, and may send. The destructor cancels
// what is under way and waits for its callbacks.
//
//   std::unique_ptr<Sender> sender = MakeSender("127.0.0.1:50051", Mode::kStream, /*window=*/256, /*batch=*/1);
//   sender->Send({{task, [](absl::StatusOr<const v1::Outcome*> outcome) { … }}});
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "client/cpp/task_stream.h"

namespace gild::bench {

enum class Mode {
  kUnary,    // a call a task
  kStream,   // one stream; a message takes what has gathered while the one before was on its way
  kBatched,  // one stream; so many tasks a message
};

class Sender {
 public:
  virtual ~Sender() = default;
  // An error: the connection is of no use any more, and no callback comes.
  virtual absl::Status Send(std::vector<TaskStream::Item> items) = 0;
};

// `window`: the most tasks that will be under way. `batch`: the most tasks in a message, for kBatched.
std::unique_ptr<Sender> MakeSender(const std::string& address, Mode mode, size_t window, size_t batch);

}  // namespace gild::bench
