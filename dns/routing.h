// The decisions of MX routing without any I/O: order, literals, names, and the replies for what
// cannot be resolved. Pure.
#pragma once

#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "dns/answer.h"
#include "dns/exchange.h"

namespace brevdue::dns {

// By preference, equal ones in random order (RFC 5321 5.1), a host named twice only once, at most
// `hosts_max`. Null entries beside others are left out.
std::vector<MxRecord> in_order(std::vector<MxRecord> records, std::size_t hosts_max,
                               std::mt19937_64& random);

// Exactly one record, and that one says that the domain takes no mail (RFC 7505 3).
bool is_null_mx(const std::vector<MxRecord>& records);

// The addresses of one host in the order to try; those of a family in random order.
std::vector<Address> in_order(std::vector<Address> ipv4, std::vector<Address> ipv6,
                              AddressPreference preference, std::size_t addresses_max,
                              std::mt19937_64& random);

// "[192.0.2.1]" and "[IPv6:2001:db8::1]" (RFC 5321 4.1.3); nothing if it is not a literal at all,
// a failure if it is a bad one.
std::optional<Resolution<Address>> address_literal(std::string_view domain);

// The name to ask the DNS for: lower case, ASCII (UTS 46 for internationalized domains).
Resolution<std::string> query_name(std::string_view domain);

ResolutionFailure null_mx(std::string_view domain);
ResolutionFailure no_such_domain(std::string_view domain);  // 5.1.2
ResolutionFailure no_exchange(std::string_view domain);     // 5.4.4: no exchange has an address
ResolutionFailure lookup_failed(std::string_view domain, std::string_view reason);  // 4.4.3
ResolutionFailure bad_domain();                                                     // 5.1.2

}  // namespace brevdue::dns
