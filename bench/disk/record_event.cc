#include "bench/disk/record_event.h"

#include "core/bytes.h"
#include "core/crc32c.h"

namespace brevdue::disk {

namespace {

constexpr std::string_view magic = "brvddisk";
constexpr std::uint32_t version = 1;
constexpr std::uint8_t flag_through = 1;
constexpr std::uint8_t flag_zeros = 2;

}  // namespace

std::string encode(const RecordHeader& header) {
  std::string bytes(magic);
  put(bytes, version);
  put(bytes, static_cast<std::uint32_t>(sector_size));
  put(bytes, header.disk_size);
  put(bytes, header.begun);
  put(bytes, std::uint32_t{0});
  put(bytes, crc32c(bytes));
  return bytes;
}

Result<RecordHeader> decode_record_header(std::string_view bytes) {
  if (bytes.size() < record_header_size) {
    return fail(ErrorCode::corrupt, "the header is cut short");
  }
  ByteReader reader(bytes.substr(0, record_header_size));
  if (reader.take(magic.size()) != magic) {
    return fail(ErrorCode::corrupt, "not a record of brevdue-disk");
  }
  const auto found = reader.get<std::uint32_t>();
  const auto sector = reader.get<std::uint32_t>();
  RecordHeader header{};
  header.disk_size = reader.get<std::uint64_t>();
  header.begun = reader.get<std::uint64_t>();
  const auto reserved = reader.get<std::uint32_t>();
  const auto crc = reader.get<std::uint32_t>();
  if (crc != crc32c(bytes.substr(0, record_header_size - sizeof crc))) {
    return fail(ErrorCode::corrupt, "the checksum of the header does not match");
  }
  if (found != version || sector != sector_size || reserved != 0) {
    return fail(ErrorCode::unsupported,
                "record format " + std::to_string(found) + "; this program reads format 1");
  }
  return header;
}

std::string_view name_of(EventType type) {
  switch (type) {
    case EventType::write:
      return "write";
    case EventType::flush:
      return "flush";
    case EventType::mark:
      return "mark";
    case EventType::cut:
      return "cut";
    case EventType::fault:
      return "fault";
    case EventType::end:
      return "end";
  }
  return "unknown";
}

std::uint32_t event_crc(std::uint64_t index, std::string_view head,
                        std::span<const std::byte> payload) {
  std::string number;
  put(number, index);
  const std::uint32_t crc = crc32c(head.substr(sizeof crc), crc32c(number));
  return crc32c(payload.data(), payload.size(), crc);
}

std::string encode_head(const Event& event, std::span<const std::byte> payload) {
  std::string head(sizeof(std::uint32_t), '\0');
  put(head, static_cast<std::uint8_t>(event.type));
  put(head, static_cast<std::uint8_t>((event.through ? flag_through : 0) |
                                      (event.zeros ? flag_zeros : 0)));
  put(head, std::uint16_t{0});
  put(head, static_cast<std::uint32_t>(event.range.length));
  put(head, static_cast<std::uint32_t>(payload.size()));
  put(head, event.range.offset);
  put(head, event.time);
  std::string crc;
  put(crc, event_crc(event.index, head, payload));
  head.replace(0, crc.size(), crc);
  return head;
}

Result<EventHead> decode_head(std::string_view bytes) {
  ByteReader reader(bytes);
  EventHead head{};
  head.crc = reader.get<std::uint32_t>();
  const auto type = reader.get<std::uint8_t>();
  const auto flags = reader.get<std::uint8_t>();
  const auto reserved = reader.get<std::uint16_t>();
  head.event.range.length = reader.get<std::uint32_t>();
  head.stored = reader.get<std::uint32_t>();
  head.event.range.offset = reader.get<std::uint64_t>();
  head.event.time = reader.get<std::uint64_t>();
  if (!reader.at_end()) return fail(ErrorCode::corrupt, "the head is cut short");
  if (type < 1 || type > 6 || flags > 3 || reserved != 0) {
    return fail(ErrorCode::corrupt, "unknown type or flags");
  }
  head.event.type = static_cast<EventType>(type);
  head.event.through = (flags & flag_through) != 0;
  head.event.zeros = (flags & flag_zeros) != 0;
  if (head.event.type == EventType::write) {
    const auto expected = head.event.zeros ? 0 : head.event.range.length;
    if (head.event.range.length > longest_write || head.stored != expected) {
      return fail(ErrorCode::corrupt, "impossible length of a write");
    }
  } else if (head.stored > longest_text) {
    return fail(ErrorCode::corrupt, "impossible length of a text");
  }
  return head;
}

}  // namespace brevdue::disk
