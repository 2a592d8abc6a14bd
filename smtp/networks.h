// Client addresses and the networks that may relay (`mynetworks`).
//
// An IpAddress is 16 bytes: IPv4 is kept in its v4-mapped form (::ffff:a.b.c.d, RFC 4291 2.5.5.2),
// so that a client that reaches a dual-stack listener by IPv4 is the same client and matches the
// same networks. A scope is not kept. No I/O.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.h"

namespace brevdue::smtp {

class IpAddress {
 public:
  using Bytes = std::array<std::uint8_t, 16>;

  IpAddress() = default;
  static IpAddress v4(const std::array<std::uint8_t, 4>& bytes);
  static IpAddress v6(const Bytes& bytes) { return IpAddress(bytes); }
  // "192.0.2.1", "2001:db8::1" or "::ffff:192.0.2.1"; no brackets.
  static std::optional<IpAddress> parse(std::string_view text);

  bool is_v4() const;
  const Bytes& bytes() const { return bytes_; }
  std::string text() const;
  // As RFC 5321 4.1.3 writes it between brackets: "192.0.2.1" or "IPv6:2001:db8::1".
  std::string literal() const;

  auto operator<=>(const IpAddress&) const = default;

 private:
  explicit IpAddress(const Bytes& bytes) : bytes_(bytes) {}
  Bytes bytes_{};
};

class Network {
 public:
  // "192.0.2.0/24", "2001:db8::/32", or an address for itself alone. Bits after the prefix must be
  // zero: "10.0.0.1/8" is more likely a slip than a wish.
  static Result<Network> parse(std::string_view text);

  bool contains(const IpAddress& address) const;
  bool operator==(const Network&) const = default;

 private:
  Network(const IpAddress& base, unsigned prefix) : base_(base), prefix_(prefix) {}

  IpAddress base_;
  unsigned prefix_;  // of 128
};

class Networks {
 public:
  Networks() = default;
  explicit Networks(std::vector<Network> list) : list_(std::move(list)) {}
  static Result<Networks> parse(const std::vector<std::string>& texts);

  bool contains(const IpAddress& address) const;

 private:
  std::vector<Network> list_;
};

}  // namespace brevdue::smtp

template <>
struct std::hash<brevdue::smtp::IpAddress> {
  std::size_t operator()(const brevdue::smtp::IpAddress& address) const noexcept {
    std::uint64_t halves[2];
    std::memcpy(halves, address.bytes().data(), sizeof halves);
    return static_cast<std::size_t>((halves[0] ^ (halves[1] >> 31) ^ halves[1]) *
                                    0x9e3779b97f4a7c15u);
  }
};
