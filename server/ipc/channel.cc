#include "server/ipc/channel.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/base/errors.h"

namespace gild {
namespace {

constexpr size_t kReadBytes = 64 << 10;
// One talkative child must not keep the poller from the others.
constexpr size_t kReadBytesPerEvent = 1 << 20;
// More than a socket holds. A process that a dead interpreter left behind may go on writing.
constexpr size_t kReadAvailableBytes = 16 << 20;
constexpr size_t kDescriptorsPerFrameMax = 8;
constexpr size_t kFramesPerWriteMax = 64;
// About what a socket holds.
constexpr size_t kTogetherBytesMax = 128 << 10;

thread_local SendTogether* together_here = nullptr;

}  // namespace

absl::StatusOr<ChannelEnds> MakeChannelEnds() {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return ErrnoStatus(errno, "socketpair");
  ChannelEnds made{.server = UniqueFd(ends[0]), .child = UniqueFd(ends[1])};
  const int on = 1;
  if (setsockopt(ends[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof on) != 0) return ErrnoStatus(errno, "SO_PASSCRED");
  // The server's end alone: the flag belongs to the open file, and the child's end blocks.
  if (fcntl(ends[0], F_SETFL, O_NONBLOCK) != 0) return ErrnoStatus(errno, "O_NONBLOCK");
  return made;
}

Channel::Channel(Poller* poller, UniqueFd fd, Events events, size_t unsent_bytes_max)
    : poller_(poller), fd_(std::move(fd)), unsent_bytes_max_(unsent_bytes_max), events_(std::move(events)) {}

void Channel::Start() {
  if (closed_ || listening_) return;
  listening_ = true;
  {
    absl::MutexLock lock(&send_mutex_);
    full_ = !unsent_.empty();
  }
  watched_for_ = EventsOfInterest();
  // A weak pointer: the poller must not keep the channel alive.
  poller_->Add(fd_.get(), watched_for_, [weak = weak_from_this()](uint32_t events) {
    if (auto self = weak.lock()) self->OnEvents(events);
  });
}

Channel::Unsent Channel::Encode(const google::protobuf::MessageLite& message, std::vector<UniqueFd> descriptors,
                                UniqueFd* file) {
  GILD_CHECK(descriptors.size() <= kDescriptorsPerFrameMax);
  // Beside others a file's place among the descriptors would have to be told.
  if (descriptors.empty() && message.ByteSizeLong() >= kInFileBytesMin) {
    absl::StatusOr<FrameInFile> in_file = EncodeFrameInFile(message);
    if (in_file.ok()) {
      Unsent frame{.bytes = std::move(in_file->frame), .in_file_bytes = in_file->bytes};
      if (file != nullptr) file->reset(fcntl(in_file->file.get(), F_DUPFD_CLOEXEC, 0));
      frame.descriptors.push_back(std::move(in_file->file));
      return frame;
    }
    // No descriptor to be had, or no memory for files: then through the socket.
  }
  return Unsent{.bytes = EncodeFrame(message), .descriptors = std::move(descriptors)};
}

absl::Status Channel::Send(const google::protobuf::MessageLite& message, std::vector<UniqueFd> descriptors,
                           UniqueFd* file) {
  Unsent frame = Encode(message, std::move(descriptors), file);

  absl::MutexLock lock(&send_mutex_);
  if (!send_status_.ok()) return send_status_;
  // Where something is unsent, somebody has promised to write it.
  const bool promised = !unsent_.empty();
  unsent_bytes_ += frame.bytes.size() + frame.in_file_bytes;
  unsent_.push_back(std::move(frame));
  SendTogether* const together = SendTogether::Current();
  if (together != nullptr) together->Add(shared_from_this());
  if (!promised && together == nullptr) FlushOrPost();
  // The first does not wait until thousands are there.
  const bool enough = unsent_bytes_ > kTogetherBytesMax || unsent_.size() % kFramesPerWriteMax == 0;
  if (together != nullptr && enough) FlushOrPost();
  if (send_status_.ok() && unsent_bytes_ > unsent_bytes_max_) {
    return FailLater(
        absl::ResourceExhaustedError(absl::StrCat("the child leaves more than ", unsent_bytes_max_, " bytes unread")));
  }
  return send_status_;
}

void Channel::FlushOrPost() {
  const absl::StatusOr<bool> written = WriteUnsent();
  if (!written.ok()) {
    (void)FailLater(written.status());
  } else if (!*written) {
    poller_->Post([weak = weak_from_this()] {
      if (auto self = weak.lock()) self->FlushUnsent();
    });
  }
}

absl::StatusOr<bool> Channel::WriteUnsent() {
  while (!unsent_.empty()) {
    std::array<iovec, kFramesPerWriteMax> pieces;
    msghdr header{};
    header.msg_iov = pieces.data();
    for (Unsent& frame : unsent_) {
      // Descriptors ride on the first byte of a write.
      const bool first = header.msg_iovlen == 0;
      if (header.msg_iovlen == pieces.size() || (!first && !frame.descriptors.empty())) break;
      pieces[header.msg_iovlen++] = {.iov_base = frame.bytes.data() + frame.sent,
                                     .iov_len = frame.bytes.size() - frame.sent};
    }
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int) * kDescriptorsPerFrameMax)> control{};
    std::vector<UniqueFd>& descriptors = unsent_.front().descriptors;
    if (!descriptors.empty()) {
      const size_t bytes = sizeof(int) * descriptors.size();
      header.msg_control = control.data();
      header.msg_controllen = CMSG_SPACE(bytes);
      cmsghdr* part = CMSG_FIRSTHDR(&header);
      part->cmsg_level = SOL_SOCKET;
      part->cmsg_type = SCM_RIGHTS;
      part->cmsg_len = CMSG_LEN(bytes);
      for (size_t i = 0; i < descriptors.size(); ++i) {
        const int fd = descriptors[i].get();
        std::memcpy(CMSG_DATA(part) + i * sizeof fd, &fd, sizeof fd);
      }
    }
    const ssize_t count = sendmsg(fd_.get(), &header, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return false;
    if (count < 0) return ErrnoStatus(errno, "send a frame");
    descriptors.clear();
    unsent_bytes_ -= count;
    for (size_t left = count; left > 0;) {
      Unsent& frame = unsent_.front();
      const size_t taken = std::min(left, frame.bytes.size() - frame.sent);
      frame.sent += taken;
      left -= taken;
      if (frame.sent < frame.bytes.size()) continue;
      unsent_bytes_ -= frame.in_file_bytes;
      unsent_.pop_front();
    }
  }
  return true;
}

absl::Status Channel::FailLater(absl::Status reason) {
  send_status_ = reason;
  unsent_.clear();
  unsent_bytes_ = 0;
  poller_->Post([weak = weak_from_this(), reason] {
    auto self = weak.lock();
    if (!self) return;
    self->ReadAvailable();
    // Nobody reads any more: end of file, which the socket may show a moment later.
    self->Fail(absl::IsUnavailable(reason) ? absl::OkStatus() : reason);
  });
  return reason;
}

void Channel::FlushUnsent() {
  if (closed_ || !listening_) return;
  {
    absl::MutexLock lock(&send_mutex_);
    const absl::StatusOr<bool> written = WriteUnsent();
    if (!written.ok()) (void)FailLater(written.status());
    full_ = written.ok() && !*written;
  }
  Watch();
}

uint32_t Channel::EventsOfInterest() const { return (resting_ ? 0u : EPOLLIN) | (full_ ? EPOLLOUT : 0u); }

void Channel::Watch() {
  const uint32_t events = EventsOfInterest();
  if (std::exchange(watched_for_, events) != events) poller_->Modify(fd_.get(), events);
}

void Channel::RestUntil(int64_t when_ns) {
  if (closed_ || !listening_ || std::exchange(resting_, true)) return;
  Watch();
  poller_->RunAt(when_ns, [weak = weak_from_this()] {
    if (auto self = weak.lock()) self->OnRested();
  });
}

void Channel::OnRested() {
  if (closed_) return;
  resting_ = false;
  Read(kReadBytesPerEvent);  // which may send it to rest again
  if (!closed_) Watch();
}

void Channel::OnEvents(uint32_t events) {
  if (events & EPOLLOUT) FlushUnsent();
  if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) Read(kReadBytesPerEvent);
}

void Channel::ReadAvailable() {
  const auto self = shared_from_this();
  Read(kReadAvailableBytes);
}

void Channel::Read(size_t bytes_max) {
  std::array<char, kReadBytes> bytes;
  // Exactly the room for the sender's credentials, so that the kernel installs no descriptor.
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(ucred))> control;
  size_t total = 0;
  while (!closed_ && total < bytes_max) {
    iovec piece{.iov_base = bytes.data(), .iov_len = bytes.size()};
    msghdr header{};
    header.msg_iov = &piece;
    header.msg_iovlen = 1;
    header.msg_control = control.data();
    header.msg_controllen = control.size();
    const ssize_t count = recvmsg(fd_.get(), &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return;
    // A reset is how a child's death shows when it had not read all.
    if (count == 0 || (count < 0 && errno == ECONNRESET)) return Fail(absl::OkStatus());
    if (count < 0) return Fail(ErrnoStatus(errno, "receive a frame"));
    bool descriptors = (header.msg_flags & MSG_CTRUNC) != 0;
    for (cmsghdr* part = CMSG_FIRSTHDR(&header); part != nullptr; part = CMSG_NXTHDR(&header, part)) {
      if (part->cmsg_level != SOL_SOCKET) continue;
      if (part->cmsg_type == SCM_CREDENTIALS) {
        ucred sender;
        std::memcpy(&sender, CMSG_DATA(part), sizeof sender);
        last_sender_pid_ = sender.pid;
      } else if (part->cmsg_type == SCM_RIGHTS) {
        for (size_t at = CMSG_LEN(0); at + sizeof(int) <= part->cmsg_len; at += sizeof(int)) {
          int fd;
          std::memcpy(&fd, reinterpret_cast<char*>(part) + at, sizeof fd);
          close(fd);
        }
        descriptors = true;
      }
    }
    if (descriptors) return Fail(absl::PermissionDeniedError("the child sent a descriptor"));
    total += count;
    reader_.Append(absl::string_view(bytes.data(), count));
    ReportFrames();
    // Less than there was room for: nothing is left, most likely; epoll knows.
    if (static_cast<size_t>(count) < bytes.size() && bytes_max == kReadBytesPerEvent) return;
  }
}

void Channel::ReportFrames() {
  absl::string_view payload;
  bool reported = false;
  absl::StatusOr<bool> complete = true;
  while (!closed_) {
    complete = reader_.Next(&payload);
    if (!complete.ok() || !*complete) break;
    events_.on_frame(payload);
    reported = true;
  }
  if (reported) events_.on_frames_read();
  if (!complete.ok()) Fail(complete.status());
}

void Channel::Fail(absl::Status reason) {
  if (closed_) return;
  auto on_closed = std::move(events_.on_closed);
  Close();
  if (on_closed) on_closed(std::move(reason));
}

void Channel::Close() {
  if (closed_) return;
  closed_ = true;
  if (listening_) poller_->Remove(fd_.get());
  // Not close(2): another thread may be in Send.
  ::shutdown(fd_.get(), SHUT_RDWR);
  absl::MutexLock lock(&send_mutex_);
  if (send_status_.ok()) send_status_ = absl::UnavailableError("the conversation is closed");
  unsent_.clear();
  unsent_bytes_ = 0;
}

void Channel::Shutdown() { ::shutdown(fd_.get(), SHUT_RDWR); }

SendTogether::SendTogether() {
  if (together_here == nullptr) together_here = this;
}

SendTogether::~SendTogether() {
  if (together_here != this) return;
  together_here = nullptr;
  for (const std::shared_ptr<Channel>& channel : channels_) {
    absl::MutexLock lock(&channel->send_mutex_);
    if (channel->send_status_.ok()) channel->FlushOrPost();
  }
}

SendTogether* SendTogether::Current() { return together_here; }

void SendTogether::Add(std::shared_ptr<Channel> channel) {
  if (std::find(channels_.begin(), channels_.end(), channel) == channels_.end()) {
    channels_.push_back(std::move(channel));
  }
}

}  // namespace gild
