#include "server/ipc/frame.h"

#include "absl/strings/str_cat.h"
#include "server/base/errors.h"
#include "server/task/capacity.h"

namespace gild {
namespace {

constexpr size_t kKeptBytesMax = 1 << 20;

}  // namespace

std::string EncodeFrame(const google::protobuf::MessageLite& message) {
  const size_t bytes = message.ByteSizeLong();
  GILD_CHECK(bytes <= static_cast<size_t>(kFrameBytesMax));
  std::string frame;
  frame.reserve(kFrameHeaderBytes + bytes);
  for (size_t i = 0; i < kFrameHeaderBytes; ++i) frame.push_back(static_cast<char>(bytes >> (8 * i)));
  GILD_CHECK(message.AppendPartialToString(&frame));  // into memory that nobody has filled with zeros before
  return frame;
}

void FrameReader::Append(absl::string_view bytes) {
  // What was consumed is dropped here, once a read, and not once a frame.
  buffer_.erase(0, consumed_);
  consumed_ = 0;
  // One huge frame must not keep its memory for the life of the interpreter.
  if (buffer_.empty() && buffer_.capacity() > kKeptBytesMax) buffer_.shrink_to_fit();
  buffer_.append(bytes.data(), bytes.size());
}

absl::StatusOr<bool> FrameReader::Next(absl::string_view* payload) {
  const absl::string_view rest = absl::string_view(buffer_).substr(consumed_);
  if (rest.size() < kFrameHeaderBytes) return false;
  const size_t bytes = PayloadBytes();
  if (bytes > static_cast<size_t>(kFrameBytesMax)) {
    return absl::InvalidArgumentError(absl::StrCat("frame of ", bytes, " bytes, at most ", kFrameBytesMax, " allowed"));
  }
  if (rest.size() < kFrameHeaderBytes + bytes) {
    buffer_.reserve(consumed_ + kFrameHeaderBytes + bytes);
    return false;
  }
  *payload = rest.substr(kFrameHeaderBytes, bytes);
  consumed_ += kFrameHeaderBytes + bytes;
  return true;
}

bool FrameReader::HasFrame() const {
  const size_t rest = buffer_.size() - consumed_;
  if (rest < kFrameHeaderBytes) return false;
  const size_t bytes = PayloadBytes();
  return bytes > static_cast<size_t>(kFrameBytesMax) || rest >= kFrameHeaderBytes + bytes;
}

size_t FrameReader::PayloadBytes() const {
  size_t bytes = 0;
  for (size_t i = 0; i < kFrameHeaderBytes; ++i) {
    bytes |= size_t{static_cast<uint8_t>(buffer_[consumed_ + i])} << (8 * i);
  }
  return bytes;
}

}  // namespace gild
