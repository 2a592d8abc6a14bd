#include "backends/iouring/read_window.h"

#include <algorithm>

namespace brevdue::backends {

Result<std::string_view> ReadWindow::view(const Segment& segment, std::uint32_t offset,
                                          std::uint32_t size) {
  if (offset >= segment.end) return std::string_view();
  size = std::min(size, segment.end - offset);
  const bool held =
      segment.header.generation == generation_ && offset >= begin_ && offset + size <= end_;
  if (!held) {
    const std::uint32_t begin = offset / log_block * log_block;
    auto filled = fill(segment, begin, offset + size - begin);
    if (!filled) return propagate(std::move(filled.error()));
  }
  if (offset >= end_) return std::string_view();
  return std::string_view(buffer_.bytes() + (offset - begin_), std::min(size, end_ - offset));
}

// Whoever goes on shortly behind what was read last will most likely want what follows, too.
Result<void> ReadWindow::fill(const Segment& segment, std::uint32_t begin, std::uint32_t size) {
  const std::uint32_t rest = segment.end - begin;
  const std::uint32_t needed = std::min(round_up_to_block(size), rest);
  const bool goes_on =
      segment.header.generation == generation_ && begin >= begin_ && begin <= end_ + read_ahead / 4;
  generation_ = segment.header.generation;
  // A bad block among those that nobody asked for must not be in the way.
  if (goes_on && read(segment.header.number, begin, std::min(std::max(needed, read_ahead), rest))) {
    return {};
  }
  return read(segment.header.number, begin, needed);
}

Result<void> ReadWindow::read(std::uint32_t number, std::uint32_t begin, std::uint32_t size) {
  const std::uint32_t room = std::max(size, read_ahead);
  if (buffer_.size() != room) buffer_ = AlignedBuffer(room);
  begin_ = end_ = begin;
  auto got = device_.read(number, begin, buffer_.bytes(), size);
  if (!got) return propagate(std::move(got.error()));
  end_ = begin + static_cast<std::uint32_t>(*got);
  return {};
}

}  // namespace brevdue::backends
