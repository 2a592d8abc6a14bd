// The bytes of a message's file (FORMAT.md): records with length and checksum, one after the other.
//
//   envelope, content (maybe empty), then one record a settlement
//
// Pure. What is parsed is trusted for nothing: a record is taken only whole and with both its
// checksums right.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/error.h"
#include "mail/settlement.h"

namespace brevdue::backends {

enum class FileRecord : std::uint8_t { envelope = 1, content = 2, settlement = 3 };

struct RecordHeader {
  static constexpr std::size_t size = 24;
  FileRecord kind = FileRecord::envelope;
  std::uint64_t length = 0;
  std::uint32_t crc32c = 0;  // of the payload
};

void put_record(std::string& out, FileRecord kind, std::string_view payload);
// Envelope and content records, as a new file begins.
std::string encode_message(std::string_view envelope, std::string_view content);

// Of the first RecordHeader::size bytes; corrupt unless they are a header.
Result<RecordHeader> parse_header(std::string_view bytes);

// What a file begins with: enough to find everything else.
struct MessageLayout {
  std::string_view envelope;  // checked
  RecordHeader content;
  std::uint64_t content_offset = 0;
  std::uint64_t settlements_offset = 0;  // where the content ends
};
// `head` is the beginning of a file of `file_size` bytes. `too_large` if it must be longer to hold
// the envelope; `corrupt` if the file ends before its content does, or is damaged.
Result<MessageLayout> parse_layout(std::string_view head, std::uint64_t file_size);

struct SettlementTail {
  mail::DeliveryState state;
  std::size_t damaged = 0;        // records passed over: whole in length, wrong in their payload
  std::uint64_t whole_bytes = 0;  // what lies behind them is an append that was cut off, or damage
};
SettlementTail parse_settlements(std::string_view tail);

}  // namespace brevdue::backends
