// Addresses as an operator writes them, taken apart and checked without any lookup.
//
// Errors are invalid_argument with a context that says what to write instead.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/error.h"

namespace brevdue::config {

struct HostPort {
  std::string host;  // without brackets
  std::uint16_t port;
  bool numeric;  // host is an IPv4 or IPv6 address

  bool operator==(const HostPort&) const = default;
};

// "192.0.2.1:25", "[2001:db8::1]:25", "mx.example.org:25", "[mx.example.org]:25"; with a default
// port the ":25" may be missing, and the brackets of an IPv6 address with it.
Result<HostPort> parse_host_port(std::string_view text,
                                 std::optional<std::uint16_t> default_port = std::nullopt);
// The same, for a numeric host only.
Result<HostPort> parse_socket_address(std::string_view text,
                                      std::optional<std::uint16_t> default_port = std::nullopt);

// An RFC 1123 host name: labels of letters, digits and inner hyphens, 253 characters at most.
bool is_host_name(std::string_view text);
bool is_ip_address(std::string_view text);

// "192.0.2.0/24", "2001:db8::/32" or a single address; no bit may be set behind the prefix.
Result<void> check_network(std::string_view text);

}  // namespace brevdue::config
