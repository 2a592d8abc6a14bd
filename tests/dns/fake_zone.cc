#include "tests/dns/fake_zone.h"

#include <sstream>

#include <arpa/inet.h>
#include <fmt/format.h>

namespace brevdue::dns {

namespace {
constexpr std::uint16_t type_a = 1;
constexpr std::uint16_t type_cname = 5;
constexpr std::uint16_t type_soa = 6;
constexpr std::uint16_t type_mx = 15;
constexpr std::uint16_t type_aaaa = 28;
constexpr std::uint16_t rcode_servfail = 2;
constexpr std::uint16_t rcode_nxdomain = 3;
constexpr std::uint16_t rcode_refused = 5;
constexpr std::size_t header_bytes = 12;

void put16(std::string& out, std::size_t value) {
  out += static_cast<char>((value >> 8) & 0xff);
  out += static_cast<char>(value & 0xff);
}

void put32(std::string& out, std::uint32_t value) {
  put16(out, value >> 16);
  put16(out, value & 0xffff);
}

std::string lower(std::string name) {
  for (char& c : name) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  if (name.size() > 1 && name.ends_with('.')) name.pop_back();
  return name;
}

std::string wire_name(std::string_view name) {
  std::string out;
  while (!name.empty() && name != ".") {
    const std::size_t end = std::min(name.find('.'), name.size());
    out += static_cast<char>(std::min<std::size_t>(end, 63));
    out += name.substr(0, std::min<std::size_t>(end, 63));
    name.remove_prefix(std::min(end + 1, name.size()));
  }
  out += '\0';
  return out;
}

std::string wire_record(std::string_view owner, std::uint16_t type, std::uint32_t ttl,
                        std::string_view bytes) {
  std::string out = wire_name(owner);
  put16(out, type);
  put16(out, 1);
  put32(out, ttl);
  put16(out, bytes.size());
  out += bytes;
  return out;
}

// Where the question ends, or 0.
std::size_t question_end(std::string_view message) {
  std::size_t at = header_bytes;
  while (at < message.size() && message[at] != '\0') {
    at += static_cast<unsigned char>(message[at]) + 1U;
  }
  return at + 5 <= message.size() ? at + 5 : 0;
}
}  // namespace

bool FakeZone::read_question(std::string_view message, std::string& name, std::uint16_t& type) {
  const std::size_t end = question_end(message);
  if (end == 0) return false;
  name.clear();
  for (std::size_t at = header_bytes; message[at] != '\0';) {
    const auto length = static_cast<unsigned char>(message[at]);
    if (!name.empty()) name += '.';
    name += message.substr(at + 1, length);
    at += length + 1U;
  }
  name = lower(name);
  type = static_cast<std::uint16_t>(static_cast<unsigned char>(message[end - 4]) << 8 |
                                    static_cast<unsigned char>(message[end - 3]));
  return true;
}

Result<void> FakeZone::read_line(std::string_view line, std::uint32_t& ttl) {
  std::istringstream words{std::string(line.substr(0, line.find('#')))};
  std::string name;
  std::string type;
  if (!(words >> name)) return {};
  if (name == "$TTL") {
    if (!(words >> ttl)) return fail(ErrorCode::invalid_argument, "$TTL needs seconds");
    return {};
  }
  name = lower(name);
  std::string value;
  if (!(words >> type >> value)) return fail(ErrorCode::invalid_argument, "too few words");
  Record record{0, ttl, {}, {}};
  if (type == "!") {
    static const std::set<std::string> known = {"timeout",  "servfail", "refused",
                                                "wrong-id", "nonsense", "wrong-question",
                                                "cut",      "truncate", "no-chase"};
    Behaviour& behaviour = behaviours_[name];
    long delay = 0;
    if (value == "delay" && words >> delay && delay >= 0) {
      behaviour.delay = std::chrono::milliseconds(delay);
    } else if (known.contains(value)) {
      behaviour.faults.insert(value);
    } else {
      return fail(ErrorCode::invalid_argument, fmt::format("unknown behaviour '{}'", value));
    }
    return {};
  }
  char raw[16];
  if (type == "A" && inet_pton(AF_INET, value.c_str(), raw) == 1) {
    record.type = type_a;
    record.bytes.assign(raw, 4);
  } else if (type == "AAAA" && inet_pton(AF_INET6, value.c_str(), raw) == 1) {
    record.type = type_aaaa;
    record.bytes.assign(raw, 16);
  } else if (type == "CNAME") {
    record.type = type_cname;
    record.target = lower(value);
    record.bytes = wire_name(record.target);
  } else if (std::string host; type == "MX" && words >> host) {
    record.type = type_mx;
    put16(record.bytes, std::strtoul(value.c_str(), nullptr, 10));
    record.bytes += wire_name(host);
  } else {
    return fail(ErrorCode::invalid_argument, fmt::format("'{}' is no {} record", value, type));
  }
  records_[name].push_back(std::move(record));
  return {};
}

Result<FakeZone> FakeZone::parse(std::string_view text) {
  FakeZone zone;
  std::uint32_t ttl = 300;
  for (unsigned number = 1; !text.empty(); ++number) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    if (auto read = zone.read_line(text.substr(0, end), ttl); !read) {
      return propagate(std::move(read.error()), fmt::format("line {}", number));
    }
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return zone;
}

std::string FakeZone::compose(std::string_view question, const Behaviour& behaviour,
                              bool tcp) const {
  std::string name;
  std::uint16_t type = 0;
  read_question(question, name, type);
  std::string records;
  std::size_t count = 0;
  std::string owner = name;
  bool exists = records_.contains(owner);
  bool found = false;
  // As a real resolver does, aliases are followed as far as a chain may go.
  for (int links = 0; links < 12; ++links) {
    std::string next;
    const auto at = records_.find(owner);
    exists = at != records_.end();
    if (!exists) break;
    for (const Record& record : at->second) {
      if (record.type != type && record.type != type_cname) continue;
      found = found || record.type == type;
      if (record.type == type_cname) next = record.target;
      records += wire_record(owner, record.type, record.ttl, record.bytes);
      ++count;
    }
    if (next.empty()) break;
    owner = next;
    if (behaviour.faults.contains("no-chase")) break;
  }
  const bool chased = !behaviour.faults.contains("no-chase");
  std::string authority;
  if (!found && chased) {
    std::string soa = wire_name("ns.fake") + wire_name("postmaster.fake");
    for (const std::uint32_t value : {1U, 3600U, 600U, 86400U, 60U}) put32(soa, value);
    authority = wire_record("fake", type_soa, 3600, soa);
  }
  std::uint16_t rcode = exists || !chased ? 0 : rcode_nxdomain;
  if (behaviour.faults.contains("servfail")) rcode = rcode_servfail;
  if (behaviour.faults.contains("refused")) rcode = rcode_refused;
  const bool truncated = !tcp && behaviour.faults.contains("truncate");
  if (rcode == rcode_servfail || rcode == rcode_refused || truncated) {
    records.clear();
    authority.clear();
    count = 0;
  }
  std::string out(question.substr(0, 2));
  put16(out, 0x8180U | rcode | (truncated ? 0x0200U : 0U));
  put16(out, 1);
  put16(out, count);
  put16(out, authority.empty() ? 0 : 1);
  put16(out, 0);
  out += question.substr(header_bytes, question_end(question) - header_bytes);
  return out + records + authority;
}

FakeZone::Reply FakeZone::answer(std::string_view question, bool tcp) const {
  std::string name;
  std::uint16_t type = 0;
  if (!read_question(question, name, type)) return {};
  static const Behaviour good;
  const auto at = behaviours_.find(name);
  const Behaviour& behaviour = at == behaviours_.end() ? good : at->second;
  Reply reply{{}, behaviour.delay};
  if (behaviour.faults.contains("timeout")) return reply;
  reply.bytes = compose(question, behaviour, tcp);
  if (behaviour.faults.contains("wrong-id")) reply.bytes[0] = static_cast<char>(reply.bytes[0] ^ 1);
  if (behaviour.faults.contains("wrong-question")) reply.bytes[header_bytes + 1] = 'x';
  if (behaviour.faults.contains("cut")) reply.bytes.resize(reply.bytes.size() - 3);
  if (behaviour.faults.contains("nonsense")) {
    // The id and the question are right, so that it is not passed over unread.
    reply.bytes.resize(question_end(question));
    reply.bytes += "\xc0\xff\xc0\xff\xc0\xffnonsense";
    reply.bytes[7] = 9;
  }
  return reply;
}

}  // namespace brevdue::dns
