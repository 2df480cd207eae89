// Framing on a stream socket: 4 bytes length (little-endian), then one protobuf message
// (proto/gild/internal/frames.proto). Of a large message of the server's only the length is in the stream, with
// kInFile; the message is in a memory file that rides along, sealed: nobody can write to it any more, or make it
// longer. The server pays for its memory, so it can be emptied, whoever keeps it open. A child's descriptors are never
// taken.
//
// What a child has sent is looked at before it is parsed (ParseFromChild): of a message's smallest parts each costs
// many times its bytes.
//
// FrameReader cuts a byte stream into frames; it allocates no more than kFrameBytesMax plus one read.
// Thread-compatible.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "google/protobuf/message.h"
#include "server/base/unique_fd.h"
#include "server/task/capacity.h"

namespace gild {

inline constexpr size_t kFrameHeaderBytes = 4;
// In the length; more than any length has.
inline constexpr uint32_t kInFile = uint32_t{1} << 31;
// From here on a message is large. Below, the socket is as soon through, or sooner: at 2 MiB by half, at 8 as soon, at
// 32 the file is there in 87 % of the time (until the task begins; tests' machine), since through the socket both sides
// copy at once.
inline constexpr size_t kInFileBytesMin = 16 << 20;
static_assert(kInFileBytesMin > size_t{kLargeTaskBytes});

// REQUIRES: the message is no larger than kFrameBytesMax.
std::string EncodeFrame(const google::protobuf::MessageLite& message);

struct FrameInFile {
  std::string frame;  // its length
  UniqueFd file;
  size_t bytes;
};
// REQUIRES: likewise.
absl::StatusOr<FrameInFile> EncodeFrameInFile(const google::protobuf::MessageLite& message);
// Of a file that the server has made, and that is empty afterwards.
absl::Status ParseFrameInFile(const UniqueFd& file, size_t bytes, google::protobuf::MessageLite* message);

// The memory goes; no file: nothing.
void EmptyFrameFile(const UniqueFd& file);

// Fields, and elements of repeated ones, at most; more than an honest child's frame has by far.
inline constexpr int kFramePartsMax = 1 << 16;
absl::Status ParseFromChild(absl::string_view payload, google::protobuf::Message* message,
                            int parts_max = kFramePartsMax);

class FrameReader {
 public:
  void Append(absl::string_view bytes);

  // True: *payload is the next frame, valid until the next call of Append or Next. False: more bytes are needed.
  // An error when the stream names a frame beyond kFrameBytesMax; the stream is of no use after that. `in_file_bytes`:
  // where the frame may be in a file, and is when this is not zero; null: it may not, which is such an error.
  absl::StatusOr<bool> Next(absl::string_view* payload, size_t* in_file_bytes = nullptr);
  // Next would not ask for more bytes.
  bool HasFrame() const;

 private:
  // That the next frame says it has; REQUIRES: its header is there.
  size_t PayloadBytes() const;

  std::string buffer_;
  size_t consumed_ = 0;
};

}  // namespace gild
