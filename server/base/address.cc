#include "server/base/address.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"

namespace gild {

std::optional<HostPort> SplitHostPort(const std::string& address) {
  const size_t colon = address.rfind(':');
  if (colon == std::string::npos) return std::nullopt;
  HostPort split{.host = address.substr(0, colon), .port = address.substr(colon + 1)};
  if (!split.host.empty() && split.host.front() == '[') {
    if (split.host.back() != ']') return std::nullopt;
    split.host = split.host.substr(1, split.host.size() - 2);
  } else if (split.host.find(':') != std::string::npos) {
    return std::nullopt;
  }
  int port = -1;
  const bool digits = std::all_of(split.port.begin(), split.port.end(), absl::ascii_isdigit);
  if (!digits || !absl::SimpleAtoi(split.port, &port) || port < 0 || port > 65535) return std::nullopt;
  return split;
}

}  // namespace gild
