#include "server/base/ids.h"

#include <sys/random.h>
#include <time.h>

#include <algorithm>

#include "server/base/errors.h"

namespace gild {

namespace {

// Of the kernel's: 256 at once cost hardly more than ten.
class RandomBytes {
 public:
  void Take(std::array<uint8_t, 10>* bytes) {
    if (left_ < bytes->size()) {
      // So many come whole, and without a wait once the machine is up (getrandom(2)).
      GILD_CHECK(getrandom(stock_.data(), stock_.size(), 0) == static_cast<ssize_t>(stock_.size()));
      left_ = stock_.size();
    }
    left_ -= bytes->size();
    std::copy_n(stock_.begin() + left_, bytes->size(), bytes->begin());
  }

 private:
  std::array<uint8_t, 256> stock_;
  size_t left_ = 0;
};

}  // namespace

std::string FormatUuid7(int64_t unix_ms, const std::array<uint8_t, 10>& random) {
  std::array<uint8_t, 16> bytes;
  for (int i = 0; i < 6; ++i) bytes[i] = static_cast<uint8_t>(unix_ms >> (8 * (5 - i)));
  std::copy(random.begin(), random.end(), bytes.begin() + 6);
  bytes[6] = (bytes[6] & 0x0f) | 0x70;  // version 7
  bytes[8] = (bytes[8] & 0x3f) | 0x80;  // the RFC's variant

  static constexpr char kHex[] = "0123456789abcdef";
  std::string text;
  text.reserve(36);
  for (int i = 0; i < 16; ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    text += kHex[bytes[i] >> 4];
    text += kHex[bytes[i] & 0xf];
  }
  return text;
}

std::string NewTaskId() {
  timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  thread_local RandomBytes bytes;
  std::array<uint8_t, 10> random;
  bytes.Take(&random);
  return FormatUuid7(int64_t{now.tv_sec} * 1000 + now.tv_nsec / 1'000'000, random);
}

}  // namespace gild
