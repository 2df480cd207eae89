#include "server/ipc/blocking_channel.h"

#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "server/base/clock.h"
#include "server/base/errors.h"

namespace gild {
namespace {

// An image in one read; what a socket holds anyway.
constexpr size_t kReadBytes = 256 << 10;
constexpr size_t kDescriptorsPerReadMax = 8;

}  // namespace

BlockingChannel::BlockingChannel(UniqueFd fd)
    : fd_(std::move(fd)), read_buffer_(std::make_unique_for_overwrite<char[]>(kReadBytes)) {}

absl::Status BlockingChannel::Send(const google::protobuf::MessageLite& message) {
  return SendFrames(EncodeFrame(message));
}

absl::Status BlockingChannel::Send(absl::Span<const internal::FromInterpreter> messages) {
  std::string frames;
  for (const internal::FromInterpreter& message : messages) frames += EncodeFrame(message);
  return SendFrames(frames);
}

absl::Status BlockingChannel::SendFrames(absl::string_view bytes) {
  absl::MutexLock lock(&send_mutex_);
  size_t sent = 0;
  while (sent < bytes.size()) {
    iovec piece{.iov_base = const_cast<char*>(bytes.data()) + sent, .iov_len = bytes.size() - sent};
    msghdr header{};
    header.msg_iov = &piece;
    header.msg_iovlen = 1;
    const ssize_t count = sendmsg(fd_.get(), &header, MSG_NOSIGNAL);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return ErrnoStatus(errno, "send a frame");
    sent += count;
  }
  return absl::OkStatus();
}

bool BlockingChannel::Await(int64_t timeout_ns) {
  if (reader_.HasFrame()) return true;
  pollfd ready{.fd = fd_.get(), .events = POLLIN, .revents = 0};
  const timespec timeout{.tv_sec = timeout_ns / kNsPerSecond, .tv_nsec = timeout_ns % kNsPerSecond};
  return ppoll(&ready, 1, &timeout, nullptr) > 0;
}

absl::StatusOr<bool> BlockingChannel::Buffered(google::protobuf::MessageLite* message) {
  absl::string_view payload;
  size_t in_file_bytes;
  absl::StatusOr<bool> complete = reader_.Next(&payload, &in_file_bytes);
  if (!complete.ok() || !*complete) return complete;
  if (in_file_bytes > 0) {
    GILD_RETURN_IF_ERROR(ParseFrameInFile(TakeDescriptor(), in_file_bytes, message));
    return true;
  }
  if (!message->ParseFromArray(payload.data(), static_cast<int>(payload.size()))) {
    return absl::InvalidArgumentError("a frame that does not parse");
  }
  return true;
}

absl::StatusOr<bool> BlockingChannel::Receive(google::protobuf::MessageLite* message, int64_t awake_ns) {
  const int64_t asked_ns = NowNs();
  // Whoever waited long the last time would only keep a core from others.
  const int64_t asleep_ns = last_wait_ns_ < awake_ns ? asked_ns + awake_ns : 0;
  while (true) {
    absl::StatusOr<bool> complete = Buffered(message);
    if (!complete.ok() || *complete) {
      last_wait_ns_ = NowNs() - asked_ns;
      return complete;
    }

    iovec piece{.iov_base = read_buffer_.get(), .iov_len = kReadBytes};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int) * kDescriptorsPerReadMax)> control;
    msghdr header{};
    header.msg_iov = &piece;
    header.msg_iovlen = 1;
    header.msg_control = control.data();
    header.msg_controllen = control.size();
    // Asleep in poll, not in recvmsg: the kernel wakes a reader there also when its own frame has been taken, for
    // nothing.
    pollfd ready{.fd = fd_.get(), .events = POLLIN, .revents = 0};
    const bool sleeps = asleep_ns == 0 || NowNs() >= asleep_ns;
    const int events = poll(&ready, 1, sleeps ? -1 : 0);
    if (events == 0 || (events < 0 && errno == EINTR)) continue;
    const ssize_t count = recvmsg(fd_.get(), &header, MSG_CMSG_CLOEXEC);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return ErrnoStatus(errno, "receive a frame");
    if (count == 0) return false;
    for (cmsghdr* part = CMSG_FIRSTHDR(&header); part != nullptr; part = CMSG_NXTHDR(&header, part)) {
      if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
      const size_t descriptors = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
      for (size_t i = 0; i < descriptors; ++i) {
        int fd;
        std::memcpy(&fd, CMSG_DATA(part) + i * sizeof(int), sizeof fd);
        descriptors_.emplace_back(fd);
      }
    }
    reader_.Append(absl::string_view(read_buffer_.get(), count));
  }
}

UniqueFd BlockingChannel::TakeDescriptor() {
  if (descriptors_.empty()) return UniqueFd();
  UniqueFd first = std::move(descriptors_.front());
  descriptors_.erase(descriptors_.begin());
  return first;
}

}  // namespace gild
