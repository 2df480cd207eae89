// HostPort: "host:port" or "[v6]:port", taken apart.
#pragma once

#include <optional>
#include <string>

namespace gild {

struct HostPort {
  std::string host;  // without brackets; may be empty
  std::string port;  // 0 to 65535
};

// Empty: not such an address (an IPv6 address needs its brackets).
std::optional<HostPort> SplitHostPort(const std::string& address);

}  // namespace gild
