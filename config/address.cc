#include "config/address.h"

#include <algorithm>
#include <array>
#include <charconv>

#include <arpa/inet.h>
#include <fmt/format.h>

namespace brevdue::config {

namespace {
struct RawAddress {
  std::array<unsigned char, 16> bytes{};
  unsigned bits = 0;  // 32 or 128
};

std::optional<RawAddress> parse_ip(std::string_view text) {
  const std::string terminated(text);
  if (terminated.find('\0') != std::string::npos) return std::nullopt;
  RawAddress address;
  if (::inet_pton(AF_INET, terminated.c_str(), address.bytes.data()) == 1) {
    address.bits = 32;
    return address;
  }
  if (::inet_pton(AF_INET6, terminated.c_str(), address.bytes.data()) == 1) {
    address.bits = 128;
    return address;
  }
  return std::nullopt;
}

template <class Number>
std::optional<Number> parse_number(std::string_view text) {
  Number number = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, status] = std::from_chars(text.data(), end, number);
  if (text.empty() || status != std::errc{} || rest != end) return std::nullopt;
  return number;
}

bool is_label(std::string_view label) {
  if (label.empty() || label.size() > 63 || label.front() == '-' || label.back() == '-') {
    return false;
  }
  return std::ranges::all_of(label, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-';
  });
}

// Sets the bits behind the prefix to zero.
void mask(RawAddress& address, unsigned prefix) {
  for (unsigned bit = prefix; bit < address.bits; ++bit) {
    address.bytes.at(bit / 8) &= static_cast<unsigned char>(~(0x80u >> (bit % 8)));
  }
}

std::string ip_text(const RawAddress& address) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  const int family = address.bits == 32 ? AF_INET : AF_INET6;
  ::inet_ntop(family, address.bytes.data(), text.data(), text.size());
  return text.data();
}
}  // namespace

bool is_ip_address(std::string_view text) {
  return parse_ip(text).has_value();
}

bool is_host_name(std::string_view text) {
  if (text.empty() || text.size() > 253) return false;
  while (true) {
    const auto dot = text.find('.');
    if (!is_label(text.substr(0, dot))) return false;
    if (dot == std::string_view::npos) return true;
    text.remove_prefix(dot + 1);
  }
}

Result<HostPort> parse_host_port(std::string_view text, std::optional<std::uint16_t> default_port) {
  const auto wrong = [&](std::string_view what) {
    return fail(ErrorCode::invalid_argument, fmt::format("'{}' {}", text, what));
  };
  constexpr std::string_view form =
      R"(has no port; write "host:port", and an IPv6 address as "[2001:db8::1]:25")";
  std::string_view host;
  std::optional<std::string_view> port;
  if (text.starts_with('[')) {
    const auto closing = text.find(']');
    if (closing == std::string_view::npos) return wrong("has no closing ']'");
    host = text.substr(1, closing - 1);
    const std::string_view rest = text.substr(closing + 1);
    if (!rest.empty() && rest.front() != ':') return wrong("has more than a ':' after the ']'");
    if (!rest.empty()) port = rest.substr(1);
  } else if (std::ranges::count(text, ':') > 1) {
    if (!default_port) return wrong(R"(needs brackets, as in "[2001:db8::1]:25")");
    host = text;
  } else {
    const auto colon = text.find(':');
    host = text.substr(0, colon);
    if (colon != std::string_view::npos) port = text.substr(colon + 1);
  }
  if (!port && !default_port) return wrong(form);
  HostPort parsed{std::string(host), default_port.value_or(0), is_ip_address(host)};
  if (!parsed.numeric && !is_host_name(host)) return wrong("names no valid host or address");
  if (!parsed.numeric && host.find_first_not_of("0123456789.") == std::string_view::npos) {
    return wrong("is not a valid IPv4 address");
  }
  if (port) {
    const auto number = parse_number<std::uint16_t>(*port);
    if (!number) return wrong("has a bad port; write a number up to 65535");
    parsed.port = *number;
  }
  return parsed;
}

Result<HostPort> parse_socket_address(std::string_view text,
                                      std::optional<std::uint16_t> default_port) {
  auto parsed = parse_host_port(text, default_port);
  if (parsed && !parsed->numeric) {
    return fail(ErrorCode::invalid_argument,
                fmt::format(R"('{}' is not a numeric address; write one such as "127.0.0.1:{}")",
                            text, parsed->port));
  }
  return parsed;
}

Result<void> check_network(std::string_view text) {
  const auto slash = text.find('/');
  auto address = parse_ip(text.substr(0, slash));
  if (!address) {
    return fail(
        ErrorCode::invalid_argument,
        fmt::format(R"('{}' is not a network; write "192.0.2.0/24" or "2001:db8::/32")", text));
  }
  if (slash == std::string_view::npos) return {};
  const auto prefix = parse_number<unsigned>(text.substr(slash + 1));
  if (!prefix || *prefix > address->bits) {
    return fail(ErrorCode::invalid_argument,
                fmt::format("'{}' has a bad prefix length; write 0 to {}", text, address->bits));
  }
  const auto given = address->bytes;
  mask(*address, *prefix);
  if (address->bytes != given) {
    return fail(ErrorCode::invalid_argument,
                fmt::format(R"('{}' has bits set behind its prefix; write "{}/{}")", text,
                            ip_text(*address), *prefix));
  }
  return {};
}

}  // namespace brevdue::config
