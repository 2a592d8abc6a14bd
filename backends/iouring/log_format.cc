#include "backends/iouring/log_format.h"

#include <algorithm>
#include <cstring>

#include "core/bytes.h"
#include "core/crc32c.h"

namespace brevdue::backends {

namespace {
constexpr std::uint32_t segment_magic = 0x53565242;   // "BRVS"
constexpr std::uint32_t footer_magic = 0x46565242;    // "BRVF"
constexpr std::uint32_t batch_magic = 0x42565242;     // "BRVB"
constexpr std::uint32_t given_up_magic = 0x47565242;  // "BRVG"
constexpr std::uint32_t giving_up_is_marked = 1;
constexpr std::size_t segment_header_size = 48;
constexpr std::size_t footer_size = 40;

bool checked(std::string_view bytes, std::uint32_t seed) {
  ByteReader trailer(bytes.substr(bytes.size() - sizeof(std::uint32_t)));
  return trailer.get<std::uint32_t>() ==
         crc32c(bytes.substr(0, bytes.size() - sizeof(std::uint32_t)), seed);
}

HeaderArea decode_copy(std::string_view copy, std::uint32_t number) {
  HeaderArea found;
  if (std::ranges::all_of(copy, [](char c) { return c == 0; })) {
    found.state = HeaderState::blank;
    return found;
  }
  ByteReader in(copy.substr(0, segment_header_size));
  if (in.get<std::uint32_t>() != segment_magic) return found;
  if (!checked(copy.substr(0, segment_header_size), 0)) return found;
  const auto version = in.get<std::uint16_t>();
  (void)in.get<std::uint16_t>();
  SegmentHeader& header = found.header;
  header.number = in.get<std::uint32_t>();
  header.size = in.get<std::uint32_t>();
  header.generation = in.get<std::uint32_t>();
  header.run = in.get<std::uint32_t>();
  header.first_sequence = in.get<std::uint64_t>();
  header.salt = in.get<std::uint64_t>();
  if (version != log_version) {
    found.state = HeaderState::unsupported;
  } else if (header.number == number && header.size >= segment_size_min &&
             header.size <= segment_size_max && header.size % log_block == 0 &&
             header.generation != 0) {
    found.state = HeaderState::used;
  }
  return found;
}
}  // namespace

std::string encode(const SegmentHeader& header) {
  std::string copy;
  put(copy, segment_magic);
  put(copy, log_version);
  put(copy, std::uint16_t{0});
  put(copy, header.number);
  put(copy, header.size);
  put(copy, header.generation);
  put(copy, header.run);
  put(copy, header.first_sequence);
  put(copy, header.salt);
  copy.resize(segment_header_size - sizeof(std::uint32_t), '\0');
  put(copy, crc32c(copy));
  copy.resize(log_block, '\0');
  return copy + copy;
}

HeaderArea decode_header_area(std::string_view area, std::uint32_t number) {
  if (area.size() < segment_header_area) return {};
  const HeaderArea first = decode_copy(area.substr(0, log_block), number);
  const HeaderArea second = decode_copy(area.substr(log_block, log_block), number);
  for (const HeaderArea* copy : {&first, &second}) {
    if (copy->state == HeaderState::unsupported) return *copy;
  }
  const bool first_used = first.state == HeaderState::used;
  const bool second_used = second.state == HeaderState::used;
  // Two lives at once: the write that began the later one was cut in the middle.
  if (first_used && second_used) {
    return first.header.generation >= second.header.generation ? first : second;
  }
  if (first_used) return first;
  if (second_used) return second;
  if (first.state == HeaderState::blank && second.state == HeaderState::blank) return first;
  return {};
}

std::string encode(const SegmentFooter& footer, const SegmentHeader& of) {
  std::string block;
  put(block, footer_magic);
  put(block, of.generation);
  put(block, of.salt);
  put(block, footer.last_sequence);
  put(block, footer.end);
  block.resize(footer_size - sizeof(std::uint32_t), '\0');
  put(block, crc32c(block, of.seed()));
  block.resize(log_block, '\0');
  return block;
}

std::optional<SegmentFooter> decode_footer(std::string_view block, const SegmentHeader& of) {
  if (block.size() < footer_size) return std::nullopt;
  block = block.substr(0, footer_size);
  ByteReader in(block);
  if (in.get<std::uint32_t>() != footer_magic) return std::nullopt;
  if (in.get<std::uint32_t>() != of.generation) return std::nullopt;
  if (in.get<std::uint64_t>() != of.salt || !checked(block, of.seed())) return std::nullopt;
  SegmentFooter footer;
  footer.last_sequence = in.get<std::uint64_t>();
  footer.end = in.get<std::uint32_t>();
  const bool plausible = footer.end >= segment_header_area && footer.end <= of.footer_offset() &&
                         footer.end % log_block == 0 &&
                         footer.last_sequence + 1 >= of.first_sequence;
  return plausible ? std::optional(footer) : std::nullopt;
}

void encode(const BatchHeader& header, const SegmentHeader& of, char* to) {
  std::string bytes;
  bytes.reserve(batch_header_size);
  put(bytes, batch_magic);
  put(bytes, log_version);
  put(bytes, static_cast<std::uint16_t>(batch_header_size));
  put(bytes, of.generation);
  put(bytes, header.run);
  put(bytes, of.salt);
  put(bytes, header.sequence);
  put(bytes, header.durable_through);
  put(bytes, header.offset);
  put(bytes, header.length);
  put(bytes, header.count);
  put(bytes, header.payload_crc);
  put(bytes, giving_up_is_marked);
  bytes.resize(batch_header_size - sizeof(std::uint32_t), '\0');
  put(bytes, crc32c(bytes, of.seed()));
  std::memcpy(to, bytes.data(), bytes.size());
}

std::optional<BatchHeader> decode_batch_header(std::string_view block, const SegmentHeader& of,
                                               std::uint32_t offset) {
  if (block.size() < batch_header_size) return std::nullopt;
  block = block.substr(0, batch_header_size);
  ByteReader in(block);
  if (in.get<std::uint32_t>() != batch_magic) return std::nullopt;
  if (in.get<std::uint16_t>() != log_version) return std::nullopt;
  if (in.get<std::uint16_t>() != batch_header_size) return std::nullopt;
  if (in.get<std::uint32_t>() != of.generation) return std::nullopt;
  BatchHeader header;
  header.run = in.get<std::uint32_t>();
  if (in.get<std::uint64_t>() != of.salt || !checked(block, of.seed())) return std::nullopt;
  header.sequence = in.get<std::uint64_t>();
  header.durable_through = in.get<std::uint64_t>();
  header.offset = in.get<std::uint32_t>();
  header.length = in.get<std::uint32_t>();
  header.count = in.get<std::uint32_t>();
  header.payload_crc = in.get<std::uint32_t>();
  if (header.offset != offset || offset < segment_header_area || offset >= of.footer_offset()) {
    return std::nullopt;
  }
  const std::uint32_t room = of.footer_offset() - offset;
  if (header.length > room - batch_header_size) return std::nullopt;
  if (header.sequence < of.first_sequence || header.durable_through >= header.sequence) {
    return std::nullopt;
  }
  return header;
}

std::string encode_given_up(std::uint32_t generation) {
  std::string bytes;
  put(bytes, given_up_magic);
  put(bytes, generation);
  put(bytes, crc32c(bytes));
  return bytes;
}

bool is_given_up(std::string_view first_block) {
  constexpr std::size_t size = 12;
  if (first_block.size() < size || !checked(first_block.substr(0, size), 0)) return false;
  return ByteReader(first_block).get<std::uint32_t>() == given_up_magic;
}

// An earlier version left no mark in segments that it gave up, and none in its batches.
std::optional<SegmentHeader> segment_of_batch(std::string_view block, std::uint32_t offset) {
  constexpr std::size_t generation_at = 8;
  constexpr std::size_t mark_at = 56;
  if (block.size() < batch_header_size) return std::nullopt;
  ByteReader in(block.substr(generation_at));
  SegmentHeader segment{.size = segment_size_max};
  segment.generation = in.get<std::uint32_t>();
  segment.run = in.get<std::uint32_t>();
  segment.salt = in.get<std::uint64_t>();
  segment.first_sequence = in.get<std::uint64_t>();
  ByteReader mark(block.substr(mark_at));
  const bool marked = mark.get<std::uint32_t>() == giving_up_is_marked;
  if (!marked || segment.generation == 0 || !decode_batch_header(block, segment, offset)) {
    return std::nullopt;
  }
  return segment;
}

}  // namespace brevdue::backends
