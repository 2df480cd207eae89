#include "server/ipc/frame.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <functional>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/wire_format_lite.h"
#include "server/base/errors.h"
#include "server/task/capacity.h"

namespace gild {
namespace {

constexpr size_t kKeptBytesMax = 1 << 20;
// Linux 6.3, and so not in every header: it can never be run as a program.
constexpr unsigned kNoExecSeal = 0x0008U;

std::string Header(size_t length) {
  std::string header;
  for (size_t i = 0; i < kFrameHeaderBytes; ++i) header.push_back(static_cast<char>(length >> (8 * i)));
  return header;
}

// A file's pages as memory.
using Mapping = std::unique_ptr<void, std::function<void(void*)>>;
absl::StatusOr<Mapping> Map(const UniqueFd& file, size_t bytes, int protection, int flags) {
  void* const address = mmap(nullptr, bytes, protection, flags | MAP_POPULATE, file.get(), 0);
  if (address == MAP_FAILED) return ErrnoStatus(errno, "map a frame");
  return Mapping(address, [bytes](void* mapped) { munmap(mapped, bytes); });
}

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::internal::WireFormatLite;
using google::protobuf::io::CodedInputStream;

// Without parsing it (https://protobuf.dev/programming-guides/encoding). False: it has more parts than are left, or
// would not parse.
bool CountParts(CodedInputStream* stream, const Descriptor* type, int* parts_left) {
  while (const uint32_t tag = stream->ReadTag()) {
    if (--*parts_left < 0) return false;
    const WireFormatLite::WireType wire_type = WireFormatLite::GetTagWireType(tag);
    // What is in a group would not be seen; there are none.
    if (wire_type == WireFormatLite::WIRETYPE_START_GROUP) return false;
    if (wire_type != WireFormatLite::WIRETYPE_LENGTH_DELIMITED) {
      if (!WireFormatLite::SkipField(stream, tag)) return false;
      continue;
    }
    int bytes;
    if (!stream->ReadVarintSizeAsInt(&bytes)) return false;
    const FieldDescriptor* const field = type->FindFieldByNumber(WireFormatLite::GetTagFieldNumber(tag));
    if (field != nullptr && field->message_type() != nullptr) {
      const CodedInputStream::Limit limit = stream->PushLimit(bytes);
      if (!CountParts(stream, field->message_type(), parts_left)) return false;
      stream->PopLimit(limit);
      continue;
    }
    // Packed: an element may be a byte.
    if (field != nullptr && field->is_packable() && (*parts_left -= std::min(bytes, *parts_left + 1)) < 0) return false;
    if (!stream->Skip(bytes)) return false;
  }
  return stream->ConsumedEntireMessage();
}

}  // namespace

std::string EncodeFrame(const google::protobuf::MessageLite& message) {
  const size_t bytes = message.ByteSizeLong();
  GILD_CHECK(bytes <= static_cast<size_t>(kFrameBytesMax));
  std::string frame = Header(bytes);
  frame.resize(kFrameHeaderBytes + bytes);
  // Its size is known: no second count.
  message.SerializeWithCachedSizesToArray(reinterpret_cast<uint8_t*>(&frame[kFrameHeaderBytes]));
  return frame;
}

absl::StatusOr<FrameInFile> EncodeFrameInFile(const google::protobuf::MessageLite& message) {
  const size_t bytes = message.ByteSizeLong();
  GILD_CHECK(bytes > 0 && bytes <= static_cast<size_t>(kFrameBytesMax));
  UniqueFd file(memfd_create("gild-frame", MFD_CLOEXEC | MFD_ALLOW_SEALING | kNoExecSeal));
  if (!file.valid()) file.reset(memfd_create("gild-frame", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!file.valid()) return ErrnoStatus(errno, "memfd_create");
  // Its pages are there before they are written to: without memory an error here, and not a SIGBUS then.
  if (fallocate(file.get(), 0, 0, static_cast<off_t>(bytes)) != 0) return ErrnoStatus(errno, "size a frame");
  {
    const absl::StatusOr<Mapping> mapping = Map(file, bytes, PROT_READ | PROT_WRITE, MAP_SHARED);
    if (!mapping.ok()) return mapping.status();
    GILD_CHECK(message.SerializePartialToArray(mapping->get(), static_cast<int>(bytes)));
  }
  constexpr int kSeals = F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL;
  if (fcntl(file.get(), F_ADD_SEALS, kSeals) != 0) return ErrnoStatus(errno, "seal a frame");
  return FrameInFile{.frame = Header(bytes | kInFile), .file = std::move(file), .bytes = bytes};
}

absl::Status ParseFrameInFile(const UniqueFd& file, size_t bytes, google::protobuf::MessageLite* message) {
  if (!file.valid()) return absl::InvalidArgumentError("a frame in a file that did not come along");
  // Private: until Linux 6.7 what is sealed could not be shared any more, not even to read it.
  const absl::StatusOr<Mapping> mapping = Map(file, bytes, PROT_READ, MAP_PRIVATE);
  if (!mapping.ok()) return mapping.status();
  if (!message->ParseFromArray(mapping->get(), static_cast<int>(bytes))) {
    return absl::InvalidArgumentError("a frame that does not parse");
  }
  EmptyFrameFile(file);
  return absl::OkStatus();
}

void EmptyFrameFile(const UniqueFd& file) {
  if (file.valid()) (void)ftruncate(file.get(), 0);
}

absl::Status ParseFromChild(absl::string_view payload, google::protobuf::Message* message, int parts_max) {
  const auto* const bytes = reinterpret_cast<const uint8_t*>(payload.data());
  const int size = static_cast<int>(payload.size());
  // A short one cannot have more.
  if (size > parts_max) {
    CodedInputStream stream(bytes, size);
    int parts_left = parts_max;
    if (!CountParts(&stream, message->GetDescriptor(), &parts_left)) {
      return absl::InvalidArgumentError(
          absl::StrCat("a frame of more than ", parts_max, " parts, or that does not parse"));
    }
  }
  if (!message->ParseFromArray(bytes, size)) return absl::InvalidArgumentError("a frame that does not parse");
  return absl::OkStatus();
}

void FrameReader::Append(absl::string_view bytes) {
  // What was consumed is dropped here, once a read, and not once a frame.
  buffer_.erase(0, consumed_);
  consumed_ = 0;
  // One huge frame must not keep its memory for the life of the interpreter.
  if (buffer_.empty() && buffer_.capacity() > kKeptBytesMax) buffer_.shrink_to_fit();
  buffer_.append(bytes.data(), bytes.size());
}

absl::StatusOr<bool> FrameReader::Next(absl::string_view* payload, size_t* in_file_bytes) {
  if (in_file_bytes != nullptr) *in_file_bytes = 0;
  const absl::string_view rest = absl::string_view(buffer_).substr(consumed_);
  if (rest.size() < kFrameHeaderBytes) return false;
  const size_t length = PayloadBytes();
  const bool in_file = in_file_bytes != nullptr && (length & kInFile) != 0;
  const size_t bytes = in_file ? length & ~size_t{kInFile} : length;
  if (bytes > static_cast<size_t>(kFrameBytesMax)) {
    return absl::InvalidArgumentError(absl::StrCat("frame of ", bytes, " bytes, at most ", kFrameBytesMax, " allowed"));
  }
  if (in_file) {
    *in_file_bytes = bytes;
    *payload = {};
    consumed_ += kFrameHeaderBytes;
    return true;
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
