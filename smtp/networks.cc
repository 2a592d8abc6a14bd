#include "smtp/networks.h"

#include <algorithm>
#include <charconv>

#include <arpa/inet.h>
#include <fmt/format.h>

namespace brevdue::smtp {

static constexpr std::array<std::uint8_t, 12> mapped_prefix{0, 0, 0, 0, 0,    0,
                                                            0, 0, 0, 0, 0xff, 0xff};

IpAddress IpAddress::v4(const std::array<std::uint8_t, 4>& bytes) {
  Bytes mapped;
  std::ranges::copy(mapped_prefix, mapped.begin());
  std::ranges::copy(bytes, mapped.begin() + mapped_prefix.size());
  return IpAddress(mapped);
}

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
  char terminated[INET6_ADDRSTRLEN] = {};
  if (text.size() >= sizeof terminated) return std::nullopt;
  if (text.find('\0') != std::string_view::npos) return std::nullopt;
  text.copy(terminated, text.size());
  std::array<std::uint8_t, 4> four;
  if (::inet_pton(AF_INET, terminated, four.data()) == 1) return v4(four);
  Bytes sixteen;
  if (::inet_pton(AF_INET6, terminated, sixteen.data()) == 1) return v6(sixteen);
  return std::nullopt;
}

bool IpAddress::is_v4() const {
  return std::equal(mapped_prefix.begin(), mapped_prefix.end(), bytes_.begin());
}

std::string IpAddress::text() const {
  char text[INET6_ADDRSTRLEN];
  const bool four = is_v4();
  const auto* raw = bytes_.data() + (four ? mapped_prefix.size() : 0);
  const char* printed = ::inet_ntop(four ? AF_INET : AF_INET6, raw, text, sizeof text);
  BREVDUE_ASSERT(printed != nullptr);
  return printed;
}

std::string IpAddress::literal() const {
  return is_v4() ? text() : "IPv6:" + text();
}

static unsigned bit_of(const IpAddress::Bytes& bytes, unsigned index) {
  return (bytes[index / 8] >> (7 - index % 8)) & 1u;
}

Result<Network> Network::parse(std::string_view text) {
  const auto slash = text.find('/');
  const auto base = IpAddress::parse(text.substr(0, slash));
  if (!base) {
    return fail(ErrorCode::invalid_argument, fmt::format("\"{}\" is not an IP network", text));
  }
  // A v4-mapped base that was written with colons counts its prefix of 128 already.
  const bool four = base->is_v4() && text.find(':') == std::string_view::npos;
  const unsigned width = four ? 32 : 128;
  unsigned prefix = width;
  if (slash != std::string_view::npos) {
    const std::string_view digits = text.substr(slash + 1);
    const auto [end, status] =
        std::from_chars(digits.data(), digits.data() + digits.size(), prefix);
    if (status != std::errc{} || end != digits.data() + digits.size() || prefix > width) {
      return fail(ErrorCode::invalid_argument,
                  fmt::format("\"{}\": the prefix length is 0 to {}", text, width));
    }
  }
  prefix += 128 - width;
  for (unsigned i = prefix; i < 128; ++i) {
    if (bit_of(base->bytes(), i) != 0) {
      return fail(ErrorCode::invalid_argument,
                  fmt::format("\"{}\" has bits set after its prefix", text));
    }
  }
  return Network(*base, prefix);
}

bool Network::contains(const IpAddress& address) const {
  const auto& own = base_.bytes();
  const auto& other = address.bytes();
  const unsigned whole = prefix_ / 8;
  if (!std::equal(own.begin(), own.begin() + whole, other.begin())) return false;
  const unsigned rest = prefix_ % 8;
  if (rest == 0) return true;
  const unsigned mask = 0xffu << (8 - rest) & 0xffu;
  return ((own[whole] ^ other[whole]) & mask) == 0;
}

Result<Networks> Networks::parse(const std::vector<std::string>& texts) {
  std::vector<Network> list;
  list.reserve(texts.size());
  for (const std::string& text : texts) {
    auto network = Network::parse(text);
    if (!network) return propagate(std::move(network.error()));
    list.push_back(*network);
  }
  return Networks(std::move(list));
}

bool Networks::contains(const IpAddress& address) const {
  return std::ranges::any_of(list_, [&](const Network& one) { return one.contains(address); });
}

}  // namespace brevdue::smtp
