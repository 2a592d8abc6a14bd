// Cuts the bytes of a channel into frames. Small ones are seen where they were read, many in one
// read; a large one is read into a block of its own, so that content can stay where it came to lie.
//
// The owner reads into space(), says how much came with received(), and takes frames with next()
// until there is none. Pure; holds at most one frame and a read of 256 KiB.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include <sys/uio.h>

#include "core/error.h"
#include "ipc/payload.h"

namespace brevdue::ipc {

inline constexpr std::size_t frame_header_bytes = 6;
inline constexpr std::size_t frame_bytes_max = 64u << 20;

class FrameReader {
 public:
  struct Frame {
    std::uint8_t type;
    bool with_descriptor;
    Payload payload;  // valid until space() is called
  };

  FrameReader() : buffer_(read_bytes) {}

  // Where the next bytes go. What it said before is void.
  std::span<const iovec> space();
  // `bytes` came. They filled the space if there may be more to read.
  void received(std::size_t bytes);
  bool filled_the_space() const { return filled_the_space_; }
  // Nothing until the next one is whole; `protocol` when it is out of bounds.
  Result<std::optional<Frame>> next();
  // Of a frame that is not whole, something is there.
  bool within_frame() const { return large_ != nullptr || end_ > begin_; }

 private:
  struct Header {
    std::uint32_t length;
    std::uint8_t type;
    bool with_descriptor;
  };

  void begin_large(const Header& header);
  std::size_t buffered() const { return end_ - begin_; }

  static constexpr std::size_t read_bytes = std::size_t{256} * 1024;
  static constexpr std::size_t large_frame_bytes = std::size_t{32} * 1024;
  // Read beside a large frame, or where one is expected: enough for the header of the next one.
  static constexpr std::size_t ahead_bytes = 4096;

  std::vector<char> buffer_;
  std::size_t begin_ = 0;  // of what was not handed out
  std::size_t end_ = 0;
  std::array<iovec, 2> space_{};
  bool filled_the_space_ = false;
  Header large_header_{};
  std::shared_ptr<char[]> large_;
  std::size_t large_filled_ = 0;
  bool expects_large_ = false;
};

}  // namespace brevdue::ipc
