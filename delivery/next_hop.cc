#include "delivery/next_hop.h"

#include <algorithm>
#include <charconv>

namespace brevdue::delivery {

namespace {

std::unexpected<Error> malformed(std::string_view text) {
  return fail(ErrorCode::invalid_argument, "malformed next hop " + std::string(text));
}

std::optional<boost::asio::ip::address> parse_address(std::string_view text) {
  constexpr std::string_view ipv6_tag = "ipv6:";
  const bool tagged =
      text.size() > ipv6_tag.size() &&
      std::equal(ipv6_tag.begin(), ipv6_tag.end(), text.begin(), [](char tag, char c) {
        return tag == (c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c);
      });
  if (tagged) text.remove_prefix(ipv6_tag.size());
  boost::system::error_code error;
  const auto address = boost::asio::ip::make_address(std::string(text), error);
  if (error) return std::nullopt;
  return address;
}

bool is_name(std::string_view text) {
  return !text.empty() && text.size() <= 255 && std::all_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte > 0x20 && byte != 0x7f && c != '[' && c != ']' && c != '<' && c != '>' && c != ':';
  });
}

}  // namespace

Result<NextHop> parse_next_hop(std::string_view text, std::uint16_t default_port) {
  constexpr std::string_view prefix = "relay:";
  NextHop next_hop;
  next_hop.port = default_port;
  std::string_view rest = text;
  next_hop.relay_host = rest.starts_with(prefix);
  if (next_hop.relay_host) rest.remove_prefix(prefix.size());
  std::string_view host = rest;
  std::string_view port;
  if (rest.starts_with('[')) {
    const std::size_t end = rest.find(']');
    if (end == std::string_view::npos) return malformed(text);
    host = rest.substr(1, end - 1);
    port = rest.substr(end + 1);
    next_hop.literal = parse_address(host);
    if (!next_hop.literal && !next_hop.relay_host) return malformed(text);
  } else if (next_hop.relay_host) {
    if (rest.find(':') == rest.rfind(':')) {
      host = rest.substr(0, rest.find(':'));
      port = rest.substr(host.size());
    }
    next_hop.literal = parse_address(host);
  }
  if (!next_hop.literal && !is_name(host)) return malformed(text);
  next_hop.host = next_hop.literal ? next_hop.literal->to_string() : std::string(host);
  if (port.empty()) return next_hop;
  const auto parsed = std::from_chars(port.data() + 1, port.data() + port.size(), next_hop.port);
  if (!next_hop.relay_host || port[0] != ':' || parsed.ec != std::errc{} ||
      parsed.ptr != port.data() + port.size() || next_hop.port == 0) {
    return malformed(text);
  }
  return next_hop;
}

}  // namespace brevdue::delivery
