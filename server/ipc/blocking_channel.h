// BlockingChannel is the child's end of a conversation with the server: whole frames, blocking.
//
// Thread rule: Send may be called from any thread (a frame is written whole before the next); Receive from one thread.
// It owns its descriptor. Used by the zygote, the slot inits and the interpreters, which trust the server.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "gild/internal/frames.pb.h"
#include "google/protobuf/message_lite.h"
#include "server/base/unique_fd.h"
#include "server/ipc/frame.h"

namespace gild {

class BlockingChannel {
 public:
  explicit BlockingChannel(UniqueFd fd);

  absl::Status Send(const google::protobuf::MessageLite& message) ABSL_LOCKS_EXCLUDED(send_mutex_);
  // Several frames, written as one.
  absl::Status Send(absl::Span<const internal::FromInterpreter> messages) ABSL_LOCKS_EXCLUDED(send_mutex_);
  // Several that are encoded already (frame.h).
  absl::Status SendFrames(absl::string_view frames) ABSL_LOCKS_EXCLUDED(send_mutex_);

  // False: the server is gone (end of file). For `awake_ns` it looks again and again before it goes to sleep, as long as
  // that helps: what comes later than that puts it to sleep at once the next time.
  absl::StatusOr<bool> Receive(google::protobuf::MessageLite* message, int64_t awake_ns = 0);
  // Waits until something is there to be received, `timeout_ns` at most; false: nothing is.
  bool Await(int64_t timeout_ns);
  // A frame that has already been read waits to be received: do not poll for it.
  absl::StatusOr<bool> Buffered(google::protobuf::MessageLite* message);

  // The oldest descriptor that came along and was not taken yet; invalid when none.
  UniqueFd TakeDescriptor();

  int fd() const { return fd_.get(); }

 private:
  UniqueFd fd_;
  FrameReader reader_;
  const std::unique_ptr<char[]> read_buffer_;
  std::vector<UniqueFd> descriptors_;
  int64_t last_wait_ns_ = 0;
  absl::Mutex send_mutex_;
};

}  // namespace gild
