#include "client/cli/jpeg.h"

namespace gild::cli {

std::optional<JpegSize> ReadJpegSize(absl::string_view bytes) {
  const auto byte = [bytes](size_t at) { return static_cast<int>(static_cast<unsigned char>(bytes[at])); };
  const auto word = [byte](size_t at) { return byte(at) << 8 | byte(at + 1); };
  if (bytes.size() < 4 || word(0) != 0xFFD8) return std::nullopt;
  for (size_t at = 2; at + 4 <= bytes.size();) {
    if (byte(at) != 0xFF) return std::nullopt;
    const int marker = byte(at + 1);
    if (marker == 0xFF) {  // padding
      ++at;
      continue;
    }
    // SOF0 to SOF15, without the tables that share their range: DHT, JPG, DAC.
    const bool frame = marker >= 0xC0 && marker <= 0xCF && marker != 0xC4 && marker != 0xC8 && marker != 0xCC;
    if (frame) {
      if (at + 9 > bytes.size()) return std::nullopt;
      return JpegSize{word(at + 7), word(at + 5)};
    }
    // Image data or the end before any frame.
    if (marker == 0xDA || marker == 0xD9) return std::nullopt;
    at += 2 + static_cast<size_t>(word(at + 2));
  }
  return std::nullopt;
}

}  // namespace gild::cli
