#include "backends/maildir/message_file.h"

#include "core/bytes.h"
#include "core/crc32c.h"

namespace brevdue::backends {

namespace {
constexpr std::uint32_t magic = 0x314d5242;  // "BRM1"
constexpr std::uint64_t envelope_bytes_max = 64u << 20;
constexpr std::uint64_t settlement_bytes_max = 64u << 20;
}  // namespace

void put_record(std::string& out, FileRecord kind, std::string_view payload) {
  std::string header;
  put(header, magic);
  put(header, static_cast<std::uint32_t>(kind));
  put(header, static_cast<std::uint64_t>(payload.size()));
  put(header, crc32c(payload));
  put(header, crc32c(header));
  out += header;
  out += payload;
}

std::string encode_message(std::string_view envelope, std::string_view content) {
  std::string out;
  out.reserve(envelope.size() + content.size() + 2 * RecordHeader::size);
  put_record(out, FileRecord::envelope, envelope);
  put_record(out, FileRecord::content, content);
  return out;
}

Result<RecordHeader> parse_header(std::string_view bytes) {
  ByteReader in(bytes.substr(0, RecordHeader::size));
  RecordHeader header;
  const auto found_magic = in.get<std::uint32_t>();
  const auto kind = in.get<std::uint32_t>();
  header.length = in.get<std::uint64_t>();
  header.crc32c = in.get<std::uint32_t>();
  const auto own_crc = in.get<std::uint32_t>();
  if (!in.at_end()) return fail(ErrorCode::corrupt, "cut short in a record header");
  if (found_magic != magic || own_crc != crc32c(bytes.substr(0, RecordHeader::size - 4)) ||
      kind < 1 || kind > 3) {
    return fail(ErrorCode::corrupt, "damaged record header");
  }
  header.kind = static_cast<FileRecord>(kind);
  return header;
}

Result<MessageLayout> parse_layout(std::string_view head, std::uint64_t file_size) {
  auto first = parse_header(head);
  if (!first) return propagate(std::move(first.error()));
  if (first->kind != FileRecord::envelope || first->length > envelope_bytes_max) {
    return fail(ErrorCode::corrupt, "does not begin with an envelope");
  }
  const std::uint64_t content_header = RecordHeader::size + first->length;
  if (content_header + RecordHeader::size > file_size) {
    return fail(ErrorCode::corrupt, "cut short in the envelope");
  }
  if (head.size() < content_header + RecordHeader::size) {
    return fail(ErrorCode::too_large, "envelope");
  }
  MessageLayout layout;
  layout.envelope = head.substr(RecordHeader::size, first->length);
  if (crc32c(layout.envelope) != first->crc32c) {
    return fail(ErrorCode::corrupt, "damaged envelope");
  }
  auto content = parse_header(head.substr(content_header));
  if (!content) return propagate(std::move(content.error()));
  if (content->kind != FileRecord::content) return fail(ErrorCode::corrupt, "no content record");
  layout.content = *content;
  layout.content_offset = content_header + RecordHeader::size;
  if (content->length > file_size - layout.content_offset) {
    return fail(ErrorCode::corrupt, "cut short in the content");
  }
  layout.settlements_offset = layout.content_offset + content->length;
  return layout;
}

SettlementTail parse_settlements(std::string_view tail) {
  SettlementTail found;
  while (tail.size() - found.whole_bytes >= RecordHeader::size) {
    const std::string_view rest = tail.substr(found.whole_bytes);
    const auto header = parse_header(rest);
    if (!header || header->kind != FileRecord::settlement ||
        header->length > settlement_bytes_max ||
        header->length > rest.size() - RecordHeader::size) {
      break;
    }
    const std::string_view payload = rest.substr(RecordHeader::size, header->length);
    found.whole_bytes += RecordHeader::size + header->length;
    // The header is right, so what follows can be found and must not be lost with this one.
    const auto settlement = crc32c(payload) == header->crc32c
                                ? mail::decode_settlement(payload)
                                : fail(ErrorCode::corrupt, "damaged settlement");
    if (settlement) {
      found.state.apply(*settlement);
    } else {
      ++found.damaged;
    }
  }
  return found;
}

}  // namespace brevdue::backends
