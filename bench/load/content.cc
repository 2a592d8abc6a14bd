#include "bench/load/content.h"

#include <cstring>

#include <fmt/format.h>

#include "core/crc32c.h"
#include "core/error.h"

namespace brevdue::load {

namespace {

constexpr std::uint64_t slot_size = 78;

// splitmix64: any two seeds, however close, give unrelated values.
std::uint64_t mix(std::uint64_t value) {
  value += 0x9e3779b97f4a7c15U;
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9U;
  value = (value ^ (value >> 27)) * 0x94d049bb133111ebU;
  return value ^ (value >> 31);
}

std::string make_header(const BookKey& key, std::uint32_t body_crc) {
  const std::string text = to_text(key);
  return fmt::format(
      "X-Book: {0}\r\n"
      "X-Book-Hash: {1:08x}\r\n"
      "Date: Thu, 01 Jan 2026 00:00:00 +0000\r\n"
      "From: Load <book@load.test>\r\n"
      "To: undisclosed-recipients:;\r\n"
      "Message-ID: <{0}@load.test>\r\n"
      "Subject: book {0}\r\n"
      "MIME-Version: 1.0\r\n"
      "Content-Type: text/plain; charset=us-ascii\r\n"
      "\r\n",
      text, body_crc);
}

}  // namespace

Content::Content(const BookKey& key)
    : seed_(mix(mix(key.run) ^ key.sequence) ^ key.size), header_(make_header(key, 0)) {
  BREVDUE_ASSERT(key.size >= minimum_content_size);
  body_size_ = key.size - header_.size();
  slots_ = body_size_ / slot_size;
  std::uint32_t body_crc = 0;
  std::string block;
  for (std::uint64_t slot = 0; slot < slots_; ++slot) {
    append_slot(block, slot);
    if (block.size() >= 16384 || slot + 1 == slots_) {
      body_crc = crc32c(block, body_crc);
      if (slot + 1 != slots_) block.clear();
    }
  }
  header_ = make_header(key, body_crc);
  crc_ = crc32c(header_);
  if (block.size() == body_size_) {
    crc_ = crc32c(block, crc_);
    return;
  }
  block.clear();
  for (std::uint64_t slot = 0; slot < slots_; ++slot) {
    append_slot(block, slot);
    if (block.size() >= 16384 || slot + 1 == slots_) {
      crc_ = crc32c(block, crc_);
      block.clear();
    }
  }
}

void Content::append_slot(std::string& out, std::uint64_t slot) const {
  const bool last = slot + 1 == slots_;
  const std::uint64_t size = last ? body_size_ - slot * slot_size : slot_size;
  std::uint64_t word = mix(seed_ + slot);
  char text[2 * slot_size + 8];
  const std::uint64_t kind = word >> 59;
  for (std::uint64_t at = 0; at < size; at += 8) {
    // Each byte becomes one of the 64 characters from '0' on, so none is a dot or a control.
    const std::uint64_t letters = (word & 0x3f3f3f3f3f3f3f3fU) + 0x3030303030303030U;
    std::memcpy(text + at, &letters, sizeof letters);
    word = word * 0xd1342543de82ef95U + 0x9e3779b97f4a7c15U;
    word ^= word >> 29;
  }
  if (kind < 4) {
    text[0] = '.';
  } else if (kind == 4) {
    std::memcpy(text, ".\r\n", 3);
  } else if (kind == 5) {
    std::memcpy(text, "\r\n", 2);
  }
  std::memcpy(text + size - 2, "\r\n", 2);
  out.append(text, size);
}

}  // namespace brevdue::load
