// Reads one raw DNS answer (RFC 1035 4) into what a lookup wants to know.
//
// Trusts nothing: what does not parse, or names a host with characters no host has, is not in the
// result. CNAME chains inside the answer are followed from the name asked for, at most
// `cname_links_max` links. Records of owners that the chain does not reach are ignored. Pure.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.h"
#include "dns/exchange.h"

namespace brevdue::dns {

inline constexpr unsigned cname_links_max = 8;
inline constexpr std::size_t records_max = 100;

enum class RecordType : std::uint16_t { a = 1, mx = 15, aaaa = 28 };

struct MxRecord {
  std::uint16_t preference;
  std::string host;  // lower case; empty for the null MX (RFC 7505)

  bool operator==(const MxRecord&) const = default;
};

struct Answer {
  enum class Kind : std::uint8_t {
    found,      // records of the type asked for
    no_record,  // the name exists, the type does not
    no_name,    // NXDOMAIN
    alias,      // the chain ends at `alias`, of which the answer says nothing: ask for that
    failure,    // SERVFAIL, REFUSED, a chain too long or circular
  };
  Kind kind = Kind::failure;
  std::vector<MxRecord> exchanges;
  std::vector<Address> addresses;
  std::string alias;
  std::string reason;           // for `failure`: "server failure"
  std::chrono::seconds ttl{0};  // how long this may be remembered; 0: not at all

  bool operator==(const Answer&) const = default;
};

// `corrupt` if the bytes are no DNS answer to that question.
Result<Answer> parse_answer(std::string_view raw, std::string_view name, RecordType type);

// Letters, digits, hyphens, underscores and dots, at most 255 bytes, no empty label.
bool is_host_name(std::string_view name);

}  // namespace brevdue::dns
