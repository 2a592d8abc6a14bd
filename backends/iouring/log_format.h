// The bytes of a segment: its header, its footer, and the header of a batch (FORMAT.md).
//
// Pure: bytes in, bytes out. decode functions trust nothing and return only what carries the right
// magic, checksum, position and, for batches and footers, the salt of the segment they lie in, so
// that neither an earlier life of the segment nor the content of a message passes for one. Offsets
// and sizes are bytes; generations, runs and sequences only grow.
#pragma once

#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace brevdue::backends {

inline constexpr std::uint32_t log_block = 4096;
inline constexpr std::uint32_t segment_header_area = 2 * log_block;  // two copies
inline constexpr std::uint32_t segment_footer_area = log_block;
inline constexpr std::uint16_t log_version = 1;
inline constexpr std::uint32_t segment_size_min = 64 * 1024;
inline constexpr std::uint32_t segment_size_max = 1u << 30;
inline constexpr std::uint32_t batch_header_size = 72;

template <std::unsigned_integral Size>
constexpr Size round_up_to_block(Size size) {
  return (size + log_block - 1) / log_block * log_block;
}

struct SegmentHeader {
  std::uint32_t number = 0;  // of the file
  std::uint32_t size = 0;    // of the file
  std::uint32_t generation = 0;
  std::uint32_t run = 0;             // of the process that opened it
  std::uint64_t first_sequence = 1;  // of its first batch; every earlier batch was durable by then
  std::uint64_t salt = 0;

  std::uint32_t footer_offset() const { return size - segment_footer_area; }
  // Bytes that batches may use.
  std::uint32_t capacity() const { return size - segment_header_area - segment_footer_area; }
  // Where checksums inside this segment start from.
  std::uint32_t seed() const { return static_cast<std::uint32_t>(salt ^ (salt >> 32)); }
  bool operator==(const SegmentHeader&) const = default;
};

enum class HeaderState { blank, used, damaged, unsupported };

struct HeaderArea {
  HeaderState state = HeaderState::damaged;
  SegmentHeader header;
};

// Both copies: segment_header_area bytes. All zeros is the header of a blank segment.
std::string encode(const SegmentHeader& header);
HeaderArea decode_header_area(std::string_view area, std::uint32_t number);

// Written when the segment is left for the next one: nothing after `end` belongs to it.
struct SegmentFooter {
  std::uint32_t end = 0;
  std::uint64_t last_sequence = 0;
};

std::string encode(const SegmentFooter& footer, const SegmentHeader& of);
std::optional<SegmentFooter> decode_footer(std::string_view block, const SegmentHeader& of);

struct BatchHeader {
  std::uint32_t run = 0;
  std::uint32_t offset = 0;  // of this header in the segment
  std::uint32_t length = 0;  // of the records, without header and padding
  std::uint32_t count = 0;   // of the records
  std::uint32_t payload_crc = 0;
  std::uint64_t sequence = 0;
  std::uint64_t durable_through = 0;  // the last sequence known durable when this was written

  std::uint32_t padded_size() const { return round_up_to_block(batch_header_size + length); }
};

// Writes batch_header_size bytes to `to`.
void encode(const BatchHeader& header, const SegmentHeader& of, char* to);
// `block` is what lies at `offset`; at least batch_header_size bytes of it.
std::optional<BatchHeader> decode_batch_header(std::string_view block, const SegmentHeader& of,
                                               std::uint32_t offset);
// What takes the place of the first bytes of the first batch when a segment is given up.
std::string encode_given_up(std::uint32_t generation);
bool is_given_up(std::string_view first_block);
// What a batch's header at `offset` alone says of its segment, whose first sequence is no higher
// than that of the batch: generation, run, salt, first sequence. Nothing if it does not hold.
std::optional<SegmentHeader> segment_of_batch(std::string_view block, std::uint32_t offset);

}  // namespace brevdue::backends
