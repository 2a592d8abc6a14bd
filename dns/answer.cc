#include "dns/answer.h"

#include <algorithm>
#include <array>
#include <map>

#include <arpa/nameser.h>
#include <resolv.h>

namespace brevdue::dns {

static constexpr std::uint32_t ttl_max = 7 * 24 * 3600;

bool is_host_name(std::string_view name) {
  if (name.empty() || name.size() > 255) return false;
  std::size_t label = 0;
  for (const char c : name) {
    if (c == '.') {
      if (label == 0) return false;
      label = 0;
      continue;
    }
    const bool allowed = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                         (c >= '0' && c <= '9') || c == '-' || c == '_';
    if (!allowed || ++label > 63) return false;
  }
  return label > 0;
}

namespace {

std::string lower(std::string_view name) {
  if (name.ends_with('.')) name.remove_suffix(1);
  std::string out(name);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

// The name at `at` of the message and how many bytes it takes there; -1 if it is none.
int read_name(const ns_msg& message, const u_char* at, std::string& name) {
  std::array<char, NS_MAXDNAME> text{};
  const int length =
      ns_name_uncompress(ns_msg_base(message), ns_msg_end(message), at, text.data(), text.size());
  if (length >= 0) name = lower(text.data());
  return length;
}

struct Records {
  std::map<std::string, std::string> aliases;
  std::vector<std::pair<std::string, MxRecord>> exchanges;
  std::vector<std::pair<std::string, Address>> addresses;
  std::map<std::string, std::uint32_t> ttls;  // the shortest of each owner
};

void read_record(const ns_msg& message, const ns_rr& record, RecordType type, Records& records) {
  const std::string owner = lower(ns_rr_name(record));
  const u_char* const bytes = ns_rr_rdata(record);
  const std::size_t size = ns_rr_rdlen(record);
  // A TTL with the top bit set is zero (RFC 2181 8).
  const std::uint32_t ttl = ns_rr_ttl(record) > INT32_MAX ? 0 : ns_rr_ttl(record);
  const auto seen = [&] {
    const auto [at, fresh] = records.ttls.try_emplace(owner, ttl);
    if (!fresh) at->second = std::min(at->second, ttl);
  };
  if (ns_rr_type(record) == ns_t_cname) {
    std::string target;
    if (read_name(message, bytes, target) > 0 && is_host_name(target)) {
      records.aliases.try_emplace(owner, target);
      seen();
    }
    return;
  }
  if (ns_rr_type(record) != static_cast<int>(type)) return;
  if (type == RecordType::mx && size >= 3) {
    MxRecord exchange{ns_get16(bytes) <= UINT16_MAX ? static_cast<std::uint16_t>(ns_get16(bytes))
                                                    : std::uint16_t{UINT16_MAX},
                      {}};
    if (read_name(message, bytes + 2, exchange.host) < 0) return;
    if (!exchange.host.empty() && !is_host_name(exchange.host)) return;
    records.exchanges.emplace_back(owner, std::move(exchange));
    seen();
  } else if (type == RecordType::a && size == 4) {
    boost::asio::ip::address_v4::bytes_type raw{};
    std::copy_n(bytes, raw.size(), raw.begin());
    records.addresses.emplace_back(owner, boost::asio::ip::address_v4(raw));
    seen();
  } else if (type == RecordType::aaaa && size == 16) {
    boost::asio::ip::address_v6::bytes_type raw{};
    std::copy_n(bytes, raw.size(), raw.begin());
    records.addresses.emplace_back(owner, boost::asio::ip::address_v6(raw));
    seen();
  }
}

// RFC 2308 5: how long the absence may be remembered, the least of the SOA's TTL and its MINIMUM.
std::uint32_t negative_ttl(ns_msg& message) {
  const int count = std::min<int>(ns_msg_count(message, ns_s_ns), records_max);
  for (int i = 0; i < count; ++i) {
    ns_rr record;
    if (ns_parserr(&message, ns_s_ns, i, &record) != 0) return 0;
    if (ns_rr_type(record) != ns_t_soa) continue;
    std::string ignored;
    const u_char* at = ns_rr_rdata(record);
    const u_char* const end = at + ns_rr_rdlen(record);
    for (int names = 0; names < 2; ++names) {
      const int length = read_name(message, at, ignored);
      if (length < 0) return 0;
      at += length;
    }
    if (at > end || end - at < 20) return 0;
    const auto minimum = static_cast<std::uint32_t>(ns_get32(at + 16));
    const std::uint32_t ttl = std::min<std::uint32_t>(ns_rr_ttl(record), minimum);
    return ttl > INT32_MAX ? 0 : ttl;
  }
  return 0;
}

Answer failure(std::string reason) {
  Answer answer;
  answer.reason = std::move(reason);
  return answer;
}

std::string rcode_name(int rcode) {
  switch (rcode) {
    case ns_r_formerr:
      return "format error";
    case ns_r_servfail:
      return "server failure";
    case ns_r_notimpl:
      return "not implemented";
    case ns_r_refused:
      return "refused";
    default:
      return "response code " + std::to_string(rcode);
  }
}

bool asks(ns_msg& message, std::string_view name, RecordType type) {
  ns_rr question;
  if (ns_msg_count(message, ns_s_qd) != 1) return false;
  if (ns_parserr(&message, ns_s_qd, 0, &question) != 0) return false;
  return lower(ns_rr_name(question)) == lower(name) &&
         ns_rr_type(question) == static_cast<int>(type) && ns_rr_class(question) == ns_c_in;
}

Answer conclude(ns_msg& message, const Records& records, std::string_view name) {
  std::string owner = lower(name);
  std::uint32_t ttl = ttl_max;
  unsigned links = 0;
  for (auto alias = records.aliases.find(owner); alias != records.aliases.end();
       alias = records.aliases.find(owner)) {
    if (++links > cname_links_max) return failure("alias chain is circular or too long");
    ttl = std::min(ttl, records.ttls.at(owner));
    owner = alias->second;
  }
  Answer answer;
  for (const auto& [at, exchange] : records.exchanges) {
    if (at == owner) answer.exchanges.push_back(exchange);
  }
  for (const auto& [at, address] : records.addresses) {
    if (at == owner) answer.addresses.push_back(address);
  }
  if (!answer.exchanges.empty() || !answer.addresses.empty()) {
    answer.kind = Answer::Kind::found;
    ttl = std::min(ttl, records.ttls.at(owner));
  } else if (ns_msg_getflag(message, ns_f_rcode) == ns_r_nxdomain) {
    answer.kind = Answer::Kind::no_name;
    ttl = std::min(ttl, negative_ttl(message));
  } else if (links > 0 && ns_msg_count(message, ns_s_ns) == 0) {
    // A server that does not follow chains itself.
    answer.kind = Answer::Kind::alias;
    answer.alias = owner;
  } else {
    answer.kind = Answer::Kind::no_record;
    ttl = std::min(ttl, negative_ttl(message));
  }
  answer.ttl = std::chrono::seconds(ttl);
  return answer;
}

}  // namespace

Result<Answer> parse_answer(std::string_view raw, std::string_view name, RecordType type) {
  ns_msg message;
  if (ns_initparse(reinterpret_cast<const u_char*>(raw.data()), static_cast<int>(raw.size()),
                   &message) != 0) {
    return fail(ErrorCode::corrupt, "not a DNS message");
  }
  if (ns_msg_getflag(message, ns_f_qr) == 0 || !asks(message, name, type)) {
    return fail(ErrorCode::corrupt, "DNS message does not answer the question");
  }
  const int rcode = ns_msg_getflag(message, ns_f_rcode);
  if (rcode != ns_r_noerror && rcode != ns_r_nxdomain) return failure(rcode_name(rcode));
  Records records;
  const int count = std::min<int>(ns_msg_count(message, ns_s_an), records_max);
  for (int i = 0; i < count; ++i) {
    ns_rr record;
    if (ns_parserr(&message, ns_s_an, i, &record) != 0) {
      return fail(ErrorCode::corrupt, "DNS record is damaged");
    }
    if (ns_rr_class(record) == ns_c_in) read_record(message, record, type, records);
  }
  return conclude(message, records, name);
}

}  // namespace brevdue::dns
