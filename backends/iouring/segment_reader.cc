#include "backends/iouring/segment_reader.h"

#include <algorithm>
#include <cstring>

#include "backends/iouring/log_format.h"

namespace brevdue::backends {

static constexpr std::uint32_t read_size = 1u << 20;
// With more than this it is not a bad spot but a disk that does not answer.
static constexpr std::uint32_t unreadable_max = 16;

void SegmentReader::select(std::uint32_t number, std::uint32_t size) {
  number_ = number;
  size_ = size;
  begin_ = end_ = 0;
  unreadable_ = 0;
}

Result<std::string_view> SegmentReader::view(std::uint32_t offset, std::uint32_t size) {
  if (offset >= size_) return std::string_view();
  size = std::min(size, size_ - offset);
  if (offset < begin_ || offset + size > end_) {
    if (auto filled = fill(offset, size); !filled) return propagate(std::move(filled.error()));
  }
  if (offset >= end_) return std::string_view();
  return std::string_view(buffer_.bytes() + (offset - begin_), std::min(size, end_ - offset));
}

// Keeps what is there already of the wanted range, since a batch that crosses the end of one read
// is usually half in the buffer.
Result<void> SegmentReader::fill(std::uint32_t offset, std::uint32_t size) {
  const std::uint32_t kept = offset >= begin_ && offset < end_ ? end_ - offset : 0;
  const std::uint32_t want =
      std::min(round_up_to_block(std::max(size, kept + read_size)), size_ - offset);
  if (want > buffer_.size()) {
    AlignedBuffer larger(std::max(round_up_to_block(want), 2 * read_size));
    if (kept > 0) std::memcpy(larger.bytes(), buffer_.bytes() + (offset - begin_), kept);
    buffer_ = std::move(larger);
  } else if (kept > 0) {
    std::memmove(buffer_.bytes(), buffer_.bytes() + (offset - begin_), kept);
  }
  begin_ = offset;
  end_ = offset + kept;
  while (end_ < offset + want) {
    char* to = buffer_.bytes() + (end_ - begin_);
    // A file that was cut may end within a block, of which only the whole can be asked for.
    const std::uint32_t piece = round_up_to_block(std::min(read_size, offset + want - end_));
    auto got = device_.read(number_, end_, to, piece);
    if (!got && got.error().code == ErrorCode::io_failure) {
      got = read_around_bad_blocks(end_, to, piece);
    }
    if (!got) return propagate(std::move(got.error()));
    end_ += static_cast<std::uint32_t>(*got);
    if (*got < piece) break;
  }
  return {};
}

Result<std::size_t> SegmentReader::read_around_bad_blocks(std::uint32_t offset, char* to,
                                                          std::uint32_t size) {
  std::size_t done = 0;
  while (done < size) {
    const std::size_t piece = std::min<std::size_t>(log_block, size - done);
    auto got = device_.read(number_, offset + done, to + done, piece);
    if (!got && got.error().code != ErrorCode::io_failure) return got;
    if (!got && unreadable_ == unreadable_max) return got;
    if (!got) {
      std::memset(to + done, 0, piece);
      ++unreadable_;
    }
    const std::size_t moved = got ? *got : piece;
    done += moved;
    if (moved < piece) break;
  }
  return done;
}

}  // namespace brevdue::backends
