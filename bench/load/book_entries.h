// One line of a client's book (a message) and of a sink's book (a message and recipient).
//
// Fields are separated by tabs, lists by commas, "-" stands for nothing. Times are microseconds
// since the epoch, CRCs eight hexadecimal digits over the content from the X-Book field on.
//
//   client: time key size crc outcome stage code queue-id recipients refused
//   sink:   time key size crc verdict answered received-fields recipient
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.h"

namespace brevdue::load {

enum class Outcome {
  accepted,  // 2xx to the final dot.
  tempfail,  // 4xx at the stage given.
  permfail,  // 5xx at the stage given.
  unknown,   // The final dot was sent, no answer came.
  unsent,    // The connection ended before the final dot was sent.
};

struct ClientEntry {
  std::int64_t time = 0;
  std::string key;
  std::uint64_t size = 0;
  std::uint32_t crc = 0;
  Outcome outcome = Outcome::unsent;
  std::string stage;  // mail, rcpt, data, content or dot: where the outcome was decided.
  int code = 0;       // 0 without an answer.
  std::string queue_id;
  std::vector<std::string> recipients;  // Those whose RCPT was answered 2xx.
  std::vector<std::string> refused;     // The others.

  // Whether the next hop may have it: the whole content was sent and no 5xx came back.
  bool may_arrive() const {
    return outcome == Outcome::accepted || outcome == Outcome::unknown ||
           (outcome == Outcome::tempfail && stage == "dot");
  }
};

struct SinkEntry {
  std::int64_t time = 0;
  std::string key;  // "-" for a message without one.
  std::uint64_t size = 0;
  std::uint32_t crc = 0;
  std::string verdict;   // ok, altered or foreign
  bool answered = true;  // False where the sink kept it and ended the connection without a 250.
  unsigned received_fields = 0;
  std::string recipient;
};

std::string_view name_of(Outcome outcome);

// With the newline.
void append_line(std::string& out, const ClientEntry& entry);
void append_line(std::string& out, const SinkEntry& entry);

// Without the newline.
Result<ClientEntry> parse_client_line(std::string_view line);
Result<SinkEntry> parse_sink_line(std::string_view line);

}  // namespace brevdue::load
