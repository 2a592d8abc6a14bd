#include "dns/routing.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>
#include <idn2.h>

namespace brevdue::dns {

std::vector<MxRecord> in_order(std::vector<MxRecord> records, std::size_t hosts_max,
                               std::mt19937_64& random) {
  std::erase_if(records, [](const MxRecord& record) { return record.host.empty(); });
  std::ranges::shuffle(records, random);
  std::ranges::sort(records, {}, &MxRecord::preference);
  std::set<std::string> seen;
  std::erase_if(records, [&](const MxRecord& record) { return !seen.insert(record.host).second; });
  if (records.size() > hosts_max) records.resize(hosts_max);
  return records;
}

bool is_null_mx(const std::vector<MxRecord>& records) {
  return records.size() == 1 && records[0].host.empty();
}

std::vector<Address> in_order(std::vector<Address> ipv4, std::vector<Address> ipv6,
                              AddressPreference preference, std::size_t addresses_max,
                              std::mt19937_64& random) {
  std::ranges::shuffle(ipv4, random);
  std::ranges::shuffle(ipv6, random);
  switch (preference) {
    case AddressPreference::ipv4_only:
      ipv6.clear();
      break;
    case AddressPreference::ipv6_only:
      ipv4.clear();
      break;
    case AddressPreference::ipv4_first:
    case AddressPreference::ipv6_first:
      break;
  }
  const bool ipv4_first = preference == AddressPreference::ipv4_first;
  std::vector<Address> addresses = ipv4_first ? std::move(ipv4) : std::move(ipv6);
  const std::vector<Address>& rest = ipv4_first ? ipv6 : ipv4;
  // Neither family may crowd the other out.
  const std::size_t share = addresses_max - std::min(rest.size(), addresses_max / 2);
  if (addresses.size() > share) addresses.resize(share);
  for (const Address& address : rest) {
    if (addresses.size() >= addresses_max) break;
    addresses.push_back(address);
  }
  return addresses;
}

static bool starts_with_ipv6_tag(std::string_view text) {
  static constexpr std::string_view tag = "ipv6:";
  return text.size() >= tag.size() &&
         std::equal(tag.begin(), tag.end(), text.begin(), [](char expected, char c) {
           return c == expected || (c >= 'A' && c <= 'Z' && c - 'A' + 'a' == expected);
         });
}

std::optional<Resolution<Address>> address_literal(std::string_view domain) {
  if (!domain.starts_with('[')) return std::nullopt;
  if (!domain.ends_with(']')) return std::unexpected(bad_domain());
  std::string_view inside = domain.substr(1, domain.size() - 2);
  boost::system::error_code error;
  Address address;
  if (starts_with_ipv6_tag(inside)) {
    address = boost::asio::ip::make_address_v6(std::string(inside.substr(5)), error);
    if (address.is_v6() && address.to_v6().scope_id() != 0) return std::unexpected(bad_domain());
  } else {
    address = boost::asio::ip::make_address_v4(std::string(inside), error);
  }
  if (error) return std::unexpected(bad_domain());
  return address;
}

Resolution<std::string> query_name(std::string_view domain) {
  if (domain.ends_with('.')) domain.remove_suffix(1);
  std::string name(domain);
  if (std::ranges::any_of(domain, [](char c) { return static_cast<unsigned char>(c) >= 0x80; })) {
    char* converted = nullptr;
    // It takes a string that ends at NUL: one inside would cut the name.
    if (name.contains('\0') ||
        idn2_to_ascii_8z(name.c_str(), &converted, IDN2_NONTRANSITIONAL) != IDN2_OK) {
      return std::unexpected(bad_domain());
    }
    name = converted;
    idn2_free(converted);
  }
  if (!is_host_name(name) || name.size() > 253) return std::unexpected(bad_domain());
  for (char& c : name) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return name;
}

ResolutionFailure null_mx(std::string_view domain) {
  return {556, "5.1.10", fmt::format("Domain {} does not accept mail (null MX)", domain)};
}

ResolutionFailure no_such_domain(std::string_view domain) {
  return {550, "5.1.2", fmt::format("Host or domain name not found: {}", domain)};
}

ResolutionFailure no_exchange(std::string_view domain) {
  return {550, "5.4.4",
          fmt::format("Unable to route: no mail exchange of {} has an address", domain)};
}

ResolutionFailure lookup_failed(std::string_view domain, std::string_view reason) {
  return {451, "4.4.3",
          fmt::format("Host or domain name lookup failed for {}: {}, try again", domain, reason)};
}

ResolutionFailure bad_domain() {
  return {550, "5.1.2", "Bad destination domain"};
}

}  // namespace brevdue::dns
