#include "ipc/frame_reader.h"

#include <algorithm>
#include <cstring>
#include <string_view>
#include <utility>

#include "core/bytes.h"

namespace brevdue::ipc {

std::span<const iovec> FrameReader::space() {
  std::memmove(buffer_.data(), buffer_.data() + begin_, buffered());
  end_ -= std::exchange(begin_, 0);
  std::size_t count = 0;
  if (large_ != nullptr) {
    space_[count++] = {large_.get() + large_filled_, large_header_.length - large_filled_};
  }
  const bool briefly = large_ != nullptr || (expects_large_ && end_ < ahead_bytes);
  const std::size_t most = briefly ? ahead_bytes : buffer_.size();
  space_[count++] = {buffer_.data() + end_, most - end_};
  return {space_.data(), count};
}

void FrameReader::received(std::size_t bytes) {
  std::size_t of_large = 0;
  std::size_t room = space_[0].iov_len;
  if (large_ != nullptr) {
    of_large = std::min(bytes, space_[0].iov_len);
    room += space_[1].iov_len;
  }
  BREVDUE_ASSERT(bytes <= room);
  large_filled_ += of_large;
  end_ += bytes - of_large;
  filled_the_space_ = bytes == room;
}

Result<std::optional<FrameReader::Frame>> FrameReader::next() {
  if (large_ != nullptr) {
    if (large_filled_ < large_header_.length) return std::nullopt;
    SharedBytes block(std::move(large_), large_header_.length);
    large_ = nullptr;
    return Frame{large_header_.type, large_header_.with_descriptor, Payload(std::move(block))};
  }
  if (buffered() < frame_header_bytes) return std::nullopt;
  const std::string_view unread(buffer_.data() + begin_, buffered());
  ByteReader in(unread);
  Header header{};
  header.length = in.get<std::uint32_t>();
  header.type = in.get<std::uint8_t>();
  const auto with_descriptor = in.get<std::uint8_t>();
  if (header.length > frame_bytes_max || with_descriptor > 1) {
    return fail(ErrorCode::protocol, "channel: a frame that is out of bounds");
  }
  header.with_descriptor = with_descriptor == 1;
  expects_large_ = header.length >= large_frame_bytes;
  if (in.rest().size() >= header.length) {
    begin_ += frame_header_bytes + header.length;
    return Frame{header.type, header.with_descriptor, Payload(in.rest().substr(0, header.length))};
  }
  if (expects_large_) begin_large(header);
  return std::nullopt;
}

// All that is left in the buffer belongs to it.
void FrameReader::begin_large(const Header& header) {
  begin_ += frame_header_bytes;
  large_header_ = header;
  large_ = std::make_shared_for_overwrite<char[]>(header.length);
  large_filled_ = buffered();
  std::memcpy(large_.get(), buffer_.data() + begin_, large_filled_);
  begin_ = end_;
}

}  // namespace brevdue::ipc
