// Task ids: UUIDv7 (RFC 9562), time-ordered, so that they index well and sort by age. Any thread.
#pragma once

#include <array>
#include <cstdint>
#include <string>

namespace gild {

// From the wall clock and the kernel's random bytes.
std::string NewTaskId();

// The formatting alone: 48 bits of Unix milliseconds, then the random bytes around version and variant.
std::string FormatUuid7(int64_t unix_ms, const std::array<uint8_t, 10>& random);

}  // namespace gild
