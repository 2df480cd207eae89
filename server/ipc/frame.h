// Framing on a stream socket: 4 bytes length (little-endian), then one protobuf message (proto/gild/internal/frames.proto).
//
// FrameReader cuts a byte stream into frames; it allocates no more than kFrameBytesMax plus one read. Thread-compatible.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "google/protobuf/message_lite.h"

namespace gild {

inline constexpr size_t kFrameHeaderBytes = 4;

// REQUIRES: the message is no larger than kFrameBytesMax.
std::string EncodeFrame(const google::protobuf::MessageLite& message);

class FrameReader {
 public:
  void Append(absl::string_view bytes);

  // True: *payload is the next frame, valid until the next call of Append or Next. False: more bytes are needed.
  // An error when the stream names a frame beyond kFrameBytesMax; the stream is of no use after that.
  absl::StatusOr<bool> Next(absl::string_view* payload);
  // Next would not ask for more bytes.
  bool HasFrame() const;

 private:
  // That the next frame says it has; REQUIRES: its header is there.
  size_t PayloadBytes() const;

  std::string buffer_;
  size_t consumed_ = 0;
};

}  // namespace gild
