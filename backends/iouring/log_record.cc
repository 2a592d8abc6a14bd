#include "backends/iouring/log_record.h"

#include <cstring>
#include <limits>

#include "core/bytes.h"
#include "core/crc32c.h"

namespace brevdue::backends {

namespace {
constexpr std::uint8_t flag_whole = 1;

// The header as it lies on the disk; every field is aligned by itself, so there is no padding.
struct RawRecord {
  std::uint32_t size;
  std::uint8_t type;
  std::uint8_t flags;
  std::uint16_t zero;
  std::uint32_t id_low;
  std::uint32_t id_high;
  std::uint32_t target_generation;
  std::uint32_t target_offset;
  std::uint32_t order_low;
  std::uint32_t order_high;
  std::uint32_t order_index;
  std::uint32_t first_size;
  std::uint32_t first_crc;
  std::uint32_t second_crc;
  std::uint32_t header_crc;
};
static_assert(sizeof(RawRecord) == record_header_size);

constexpr std::uint32_t low(std::uint64_t value) {
  return static_cast<std::uint32_t>(value);
}
constexpr std::uint32_t high(std::uint64_t value) {
  return static_cast<std::uint32_t>(value >> 32);
}
constexpr std::uint64_t join(std::uint32_t low_half, std::uint32_t high_half) {
  return std::uint64_t{high_half} << 32 | low_half;
}
}  // namespace

// Before a checksum is computed at every byte of what may be megabytes.
static bool plausible_head(std::string_view bytes) {
  RawRecord raw;
  std::memcpy(&raw, bytes.data(), sizeof raw);
  return raw.type >= static_cast<std::uint8_t>(RecordType::message) &&
         raw.type <= static_cast<std::uint8_t>(RecordType::survivors) && raw.flags <= flag_whole &&
         raw.zero == 0 && raw.size >= record_header_size;
}

bool LogRecord::first_intact() const {
  return crc32c(first) == first_crc;
}

bool LogRecord::second_intact() const {
  return crc32c(second) == second_crc;
}

// The CRC of what came before and these bytes, whose own is known.
static std::uint32_t crc_after(std::uint32_t before, std::string_view bytes, std::uint32_t own) {
  constexpr std::size_t worth_it = 16 * 1024;
  return bytes.size() < worth_it ? crc32c(bytes, before)
                                 : crc32c_of_both(before, own, bytes.size());
}

std::uint32_t encode(const LogRecord& record, std::uint32_t seed, char* to, std::uint32_t before) {
  RawRecord raw{};
  raw.size = static_cast<std::uint32_t>(record.size());
  raw.type = static_cast<std::uint8_t>(record.type);
  raw.flags = record.whole ? flag_whole : 0;
  raw.id_low = low(record.id.value());
  raw.id_high = high(record.id.value());
  raw.target_generation = record.target.generation;
  raw.target_offset = record.target.offset;
  raw.order_low = low(record.order.sequence);
  raw.order_high = high(record.order.sequence);
  raw.order_index = record.order.index;
  raw.first_size = static_cast<std::uint32_t>(record.first.size());
  raw.first_crc = crc32c(record.first);
  raw.second_crc = crc32c(record.second);
  raw.header_crc = crc32c(&raw, sizeof raw - sizeof raw.header_crc, seed);
  std::memcpy(to, &raw, sizeof raw);
  to += sizeof raw;
  if (!record.first.empty()) std::memcpy(to, record.first.data(), record.first.size());
  to += record.first.size();
  if (!record.second.empty()) std::memcpy(to, record.second.data(), record.second.size());
  const std::uint32_t with_first =
      crc_after(crc32c(&raw, sizeof raw, before), record.first, raw.first_crc);
  return crc_after(with_first, record.second, raw.second_crc);
}

std::optional<RecordHead> decode_record_head(std::string_view bytes, std::uint32_t seed) {
  RawRecord raw;
  if (bytes.size() < sizeof raw) return std::nullopt;
  std::memcpy(&raw, bytes.data(), sizeof raw);
  if (raw.header_crc != crc32c(&raw, sizeof raw - sizeof raw.header_crc, seed)) {
    return std::nullopt;
  }
  if (raw.size < record_header_size || raw.first_size > raw.size - record_header_size) {
    return std::nullopt;
  }
  if (raw.type < static_cast<std::uint8_t>(RecordType::message) ||
      raw.type > static_cast<std::uint8_t>(RecordType::survivors)) {
    return std::nullopt;
  }
  RecordHead head{.record = {}, .size = raw.size, .first_size = raw.first_size};
  LogRecord& record = head.record;
  record.type = static_cast<RecordType>(raw.type);
  record.whole = (raw.flags & flag_whole) != 0;
  record.id = mail::QueueId(join(raw.id_low, raw.id_high));
  record.target = {raw.target_generation, raw.target_offset};
  record.order = {join(raw.order_low, raw.order_high), raw.order_index};
  record.first_crc = raw.first_crc;
  record.second_crc = raw.second_crc;
  return head;
}

std::optional<LogRecord> decode_record(std::string_view bytes, std::uint32_t seed) {
  auto head = decode_record_head(bytes, seed);
  if (!head || head->size > bytes.size()) return std::nullopt;
  const std::string_view strings =
      bytes.substr(record_header_size, head->size - record_header_size);
  head->record.first = strings.substr(0, head->first_size);
  head->record.second = strings.substr(head->first_size);
  return head->record;
}

// Without the segment's salt nobody can write a content in which something passes for a record.
bool RecordReader::find_next() {
  while (next_ + record_header_size <= all_.size()) {
    const auto head = plausible_head(all_.substr(next_))
                          ? decode_record_head(all_.substr(next_), seed_)
                          : std::nullopt;
    if (head && head->size <= all_.size() - next_) return true;
    ++next_;
  }
  next_ = static_cast<std::uint32_t>(all_.size());
  return false;
}

std::optional<LogRecord> RecordReader::next() {
  if (bytes_ == Bytes::damaged && !find_next()) return std::nullopt;
  if (at_end()) return std::nullopt;
  auto record = decode_record(all_.substr(next_), seed_);
  if (!record) return std::nullopt;
  position_ = next_;
  next_ += static_cast<std::uint32_t>(record->size());
  return record;
}

std::string encode_survivors(const std::vector<std::uint32_t>& offsets) {
  std::string out;
  put_varint(out, offsets.size());
  std::uint32_t before = 0;
  for (const std::uint32_t offset : offsets) {
    put_varint(out, offset - before);
    before = offset;
  }
  return out;
}

std::optional<std::vector<std::uint32_t>> decode_survivors(std::string_view bytes) {
  ByteReader in(bytes);
  const std::uint64_t count = in.get_varint();
  if (!in.ok() || count > bytes.size()) return std::nullopt;
  std::vector<std::uint32_t> offsets;
  offsets.reserve(count);
  std::uint64_t at = 0;
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::uint64_t step = in.get_varint();
    at += step;
    if (!in.ok() || step > std::numeric_limits<std::uint32_t>::max() ||
        at > std::numeric_limits<std::uint32_t>::max()) {
      return std::nullopt;
    }
    offsets.push_back(static_cast<std::uint32_t>(at));
  }
  return in.at_end() ? std::optional(std::move(offsets)) : std::nullopt;
}

}  // namespace brevdue::backends
