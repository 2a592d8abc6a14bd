// The zone of a fake DNS server, given as text, and the answers it makes of it. Pure.
//
// One line a record, '#' starts a comment; the TTL is what the last "$TTL seconds" said (300):
//
//   example.com        MX    10 mx.example.com
//   null.example       MX    0 .
//   mx.example.com     A     192.0.2.1
//   mx.example.com     AAAA  2001:db8::1
//   alias.example      CNAME example.com
//   broken.example     !     servfail
//
// A line with '!' makes every question for the name misbehave: timeout, servfail, refused,
// wrong-id, wrong-question, nonsense, cut (an answer that ends early), truncate (UDP answers are
// truncated, so that the client must come by TCP), no-chase (aliases are not followed), delay
// MILLISECONDS.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.h"

namespace brevdue::dns {

class FakeZone {
 public:
  // `invalid_argument`, with the number of the line.
  static Result<FakeZone> parse(std::string_view text);

  struct Reply {
    std::string bytes;  // empty: no answer at all
    std::chrono::milliseconds delay{0};
  };
  Reply answer(std::string_view question, bool tcp) const;

  // The name asked for, lower case, and the type; false if it is no question.
  static bool read_question(std::string_view message, std::string& name, std::uint16_t& type);

 private:
  struct Record {
    std::uint16_t type;
    std::uint32_t ttl;
    std::string bytes;   // RDATA
    std::string target;  // of a CNAME
  };
  struct Behaviour {
    std::set<std::string> faults;
    std::chrono::milliseconds delay{0};
  };

  Result<void> read_line(std::string_view line, std::uint32_t& ttl);
  std::string compose(std::string_view question, const Behaviour& behaviour, bool tcp) const;

  std::map<std::string, std::vector<Record>> records_;
  std::map<std::string, Behaviour> behaviours_;
};

}  // namespace brevdue::dns
