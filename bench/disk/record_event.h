// One event of a record log, and the encoding that writer and reader share (FORMAT.md).
//
// Offsets and lengths are bytes; times are nanoseconds since the record began.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "bench/disk/medium.h"
#include "core/error.h"

namespace brevdue::disk {

enum class EventType : std::uint8_t {
  write = 1,  // `range` got new content.
  flush = 2,  // All writes before it are durable.
  mark = 3,   // A test said something: `text`.
  cut = 4,    // The power went; `text` says what the cache kept. Only `end` follows.
  fault = 5,  // A request was made to fail; `text` says which and how. Nothing was written.
  end = 6,    // The disk was stopped in order.
};

struct Event {
  std::uint64_t index = 0;
  EventType type = EventType::write;
  bool through = false;  // A write that is durable by itself (force unit access).
  bool zeros = false;    // A write of zeros only; its content is not stored.
  std::uint64_t time = 0;
  ByteRange range{0, 0};
  std::string text;
};

struct RecordHeader {
  std::uint64_t disk_size;
  std::uint64_t begun;  // Wall time, microseconds since the epoch.
};

constexpr std::size_t record_header_size = 40;
constexpr std::size_t event_head_size = 32;
// More than any request of FUSE (1 MiB): a longer one in a record is damage.
constexpr std::uint32_t longest_write = 16 << 20;
constexpr std::uint32_t longest_text = 4096;

std::string encode(const RecordHeader& header);
Result<RecordHeader> decode_record_header(std::string_view bytes);

std::string_view name_of(EventType type);

// The head of an event whose stored bytes are `payload` (content, or text).
std::string encode_head(const Event& event, std::span<const std::byte> payload);

struct EventHead {
  Event event;
  std::uint32_t stored;  // Bytes of payload that follow.
  std::uint32_t crc;
};
Result<EventHead> decode_head(std::string_view head);
// Over the event's index, its head without the CRC, and its payload.
std::uint32_t event_crc(std::uint64_t index, std::string_view head,
                        std::span<const std::byte> payload);

}  // namespace brevdue::disk
