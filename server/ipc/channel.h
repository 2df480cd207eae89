// Channel is the server's end of a conversation with a child: whole frames, never blocking.
//
// Thread rule: Send and Shutdown may be called from any thread; all else, and both callbacks, belong to the poller's
// thread. It owns its descriptor, which stays open until the channel is destroyed; the poller must have let go of it
// (Close, or on_closed) or have ended by then. What the other side sends is a child's word: a frame beyond
// kFrameBytesMax or a descriptor that rides along ends the conversation (the kernel is given no room for descriptors,
// and drops them).
//
//   auto ends = MakeChannelEnds();  // before the child exists: only then is every frame's sender known
//   auto channel = std::make_shared<Channel>(poller, std::move(ends->server), Channel::Events{...});
//   channel->Start();
//   GILD_RETURN_IF_ERROR(channel->Send(frame));
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "google/protobuf/message_lite.h"
#include "server/base/poller.h"
#include "server/base/unique_fd.h"
#include "server/ipc/frame.h"
#include "server/task/capacity.h"

namespace gild {

struct ChannelEnds {
  UniqueFd server;  // non-blocking, told who sends
  UniqueFd child;
};
absl::StatusOr<ChannelEnds> MakeChannelEnds();

class Channel : public std::enable_shared_from_this<Channel> {
 public:
  struct Events {
    // A whole frame's payload, valid during the call.
    std::function<void(absl::string_view payload)> on_frame;
    // After the last on_frame of those that came together, also when one of them has closed the conversation.
    std::function<void()> on_frames_read = [] {};
    // Once, after the last on_frame: OK at end of file, else what was wrong. Not called after Close.
    std::function<void(absl::Status reason)> on_closed;
  };

  // Lives in a shared_ptr.
  Channel(Poller* poller, UniqueFd fd, Events events, size_t unsent_bytes_max = kUnsentBytesMax);
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  // Begins to listen.
  void Start();

  // Writes at once what the socket takes and keeps the rest; while a SendTogether lives, keeps it all. An error means
  // that the frame was not sent and that the conversation is about to be closed. REQUIRES: the message is no larger
  // than kFrameBytesMax. `*file`: where it went in a file, a descriptor of that, to empty it with.
  absl::Status Send(const google::protobuf::MessageLite& message, std::vector<UniqueFd> descriptors = {},
                    UniqueFd* file = nullptr) ABSL_LOCKS_EXCLUDED(send_mutex_);

  // Reads what is there now, without waiting, and reports it. For what a dead child left behind.
  void ReadAvailable();

  // Does not look for frames before then: those of a child that speaks often are read together, and it is not pushed
  // off its core for each. That it has closed the channel is seen at once. Poller's thread.
  void RestUntil(int64_t when_ns);

  // No callback follows. The other side sees end of file.
  void Close() ABSL_LOCKS_EXCLUDED(send_mutex_);
  // The other side sees end of file; this side's on_closed follows by way of the poller.
  void Shutdown();

  // Who sent the frame that is being reported, as the kernel says; 0: nobody yet.
  int last_sender_pid() const { return last_sender_pid_; }

 private:
  friend class SendTogether;

  struct Unsent {
    std::string bytes;
    size_t sent = 0;
    std::vector<UniqueFd> descriptors;  // ride on the first byte
    size_t in_file_bytes = 0;           // of one of them, unsent as long as the frame is
  };
  static Unsent Encode(const google::protobuf::MessageLite& message, std::vector<UniqueFd> descriptors, UniqueFd* file);

  void OnEvents(uint32_t events);
  void OnRested();
  // Tells the poller what to watch for.
  void Watch();
  uint32_t EventsOfInterest() const;
  // Reads at most `bytes_max` or until nothing is left. Reports frames, and the end.
  void Read(size_t bytes_max);
  void ReportFrames();
  void Fail(absl::Status reason);
  void FlushUnsent() ABSL_LOCKS_EXCLUDED(send_mutex_);
  // From any thread: writes what is unsent, and sees to it that the poller writes the rest.
  void FlushOrPost() ABSL_EXCLUSIVE_LOCKS_REQUIRED(send_mutex_);
  // Writes what is unsent, as far as the socket takes it; false when it is full.
  absl::StatusOr<bool> WriteUnsent() ABSL_EXCLUSIVE_LOCKS_REQUIRED(send_mutex_);
  // From any thread: closes the conversation with this error, on the poller's thread, after what can still be read.
  absl::Status FailLater(absl::Status reason) ABSL_EXCLUSIVE_LOCKS_REQUIRED(send_mutex_);

  Poller* const poller_;
  const UniqueFd fd_;
  const size_t unsent_bytes_max_;

  // Poller's thread only.
  Events events_;
  FrameReader reader_;
  bool listening_ = false;
  bool full_ = false;         // something is unsent that the socket does not take
  bool resting_ = false;      // OnRested will be called
  uint32_t watched_for_ = 0;  // what the poller was told
  bool closed_ = false;
  int last_sender_pid_ = 0;

  absl::Mutex send_mutex_;
  std::deque<Unsent> unsent_ ABSL_GUARDED_BY(send_mutex_);
  size_t unsent_bytes_ ABSL_GUARDED_BY(send_mutex_) = 0;
  absl::Status send_status_ ABSL_GUARDED_BY(send_mutex_);  // the first error; nothing is sent after it
};

// While it lives, frames that its thread sends are kept, and go out at its end: many tasks in one write, and the child
// wakes once. On the stack; one within another does nothing.
class SendTogether {
 public:
  SendTogether();
  ~SendTogether();
  SendTogether(const SendTogether&) = delete;
  SendTogether& operator=(const SendTogether&) = delete;

 private:
  friend class Channel;
  // Of the calling thread; null: none.
  static SendTogether* Current();
  void Add(std::shared_ptr<Channel> channel);

  std::vector<std::shared_ptr<Channel>> channels_;  // with frames to flush, each once
};

}  // namespace gild
