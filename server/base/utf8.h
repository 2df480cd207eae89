// What user code says is bytes; what the server hands on is valid UTF-8. Any thread.
#pragma once

#include <string>

#include "absl/strings/string_view.h"

namespace gild {

// Each byte that belongs to no character becomes U+FFFD. Surrogates and overlong forms are no characters.
std::string RepairUtf8(absl::string_view text);
bool IsUtf8(absl::string_view text);

}  // namespace gild
