// The records of a batch (FORMAT.md, "Records"): one header of 52 bytes for every kind, then one or
// two byte strings, each with its own CRC32C.
//
// A RecordReader walks the records of a batch. In a batch whose checksum holds every record is
// whole. In damaged bytes every record whose header holds is found, wherever it begins, and
// first_intact() and second_intact() say which of the strings can be used. Views live as long as
// the batch's bytes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mail/queue_id.h"

namespace brevdue::backends {

enum class RecordType : std::uint8_t {
  message = 1,     // first: envelope, second: content
  settlement = 2,  // first: mail::encode of a settlement
  tombstone = 3,   // the message at `target` is gone
  survivors = 4,   // first: offsets of all messages of the target's generation that still live
};

// Where a message lies on the disk: unique for ever, since generations are never used twice.
struct RecordPlace {
  std::uint32_t generation = 0;
  std::uint32_t offset = 0;  // of the record in its segment

  auto operator<=>(const RecordPlace&) const = default;
};

// The place of a settlement in the order of the log, kept when it is written again elsewhere.
struct LogOrder {
  std::uint64_t sequence = 0;
  std::uint32_t index = 0;

  auto operator<=>(const LogOrder&) const = default;
};

inline constexpr std::uint32_t record_header_size = 52;

struct LogRecord {
  RecordType type{};
  bool whole = false;  // settlement: replaces everything earlier in the log's order
  mail::QueueId id{};
  RecordPlace target{};  // of all but messages
  LogOrder order{};      // of settlements
  std::string_view first{};
  std::string_view second{};
  std::uint32_t first_crc = 0;  // filled in by the writer and the reader
  std::uint32_t second_crc = 0;

  std::uint64_t size() const { return record_header_size + first.size() + second.size(); }
  bool first_intact() const;
  bool second_intact() const;
};

// What a record's header alone says: the strings of `record` are empty.
struct RecordHead {
  LogRecord record;
  std::uint32_t size = 0;  // of the whole record
  std::uint32_t first_size = 0;
};

// Writes record.size() bytes to `to`; `seed` is the segment's. Returns the CRC32C of what had
// `before` followed by these bytes.
std::uint32_t encode(const LogRecord& record, std::uint32_t seed, char* to,
                     std::uint32_t before = 0);
// Of the first record_header_size bytes of a record; nothing if they do not hold.
std::optional<RecordHead> decode_record_head(std::string_view bytes, std::uint32_t seed);
// One record at the start of `bytes`; nothing if its header does not hold or it does not fit.
std::optional<LogRecord> decode_record(std::string_view bytes, std::uint32_t seed);

class RecordReader {
 public:
  enum class Bytes { intact, damaged };

  RecordReader(std::string_view records, std::uint32_t seed, Bytes bytes = Bytes::intact)
      : all_(records), seed_(seed), bytes_(bytes) {}
  std::optional<LogRecord> next();
  // Where the record that next() returned last begins, from the start of the records.
  std::uint32_t position() const { return position_; }
  bool at_end() const { return next_ == all_.size(); }

 private:
  // Moves next_ to the next record whose header holds.
  bool find_next();

  std::string_view all_;
  std::uint32_t seed_;
  Bytes bytes_;
  std::uint32_t position_ = 0;
  std::uint32_t next_ = 0;
};

// Ascending offsets, as differences.
std::string encode_survivors(const std::vector<std::uint32_t>& offsets);
std::optional<std::vector<std::uint32_t>> decode_survivors(std::string_view bytes);

}  // namespace brevdue::backends
