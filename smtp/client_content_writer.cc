#include "smtp/client_content_writer.h"

#include <algorithm>
#include <bit>

#include "core/crc32c.h"
#include "smtp/byte_masks.h"

namespace brevdue::smtp {

bool ClientContentWriter::add(std::string_view block, Pieces& pieces) {
  if (block.empty()) return true;
  crc32c_ = brevdue::crc32c(block, crc32c_);
  size_ += block.size();
  // A CR at the end of a block is held back until its LF is seen.
  if (place_ == Place::after_cr) pieces.push_back("\r");
  std::uint64_t carried_cr = place_ == Place::after_cr ? 1 : 0;
  std::uint64_t carried_start = place_ == Place::line_start ? 1 : 0;
  std::size_t run = 0;
  for (std::size_t at = 0; at < block.size(); at += mask_block_bytes) {
    const std::size_t size = std::min(mask_block_bytes, block.size() - at);
    const std::uint64_t looked_at = ~std::uint64_t{0} >> (mask_block_bytes - size);
    const ByteMasks bytes = masks_of(block.data() + at, size);
    const std::uint64_t after_cr = bytes.cr << 1 | carried_cr;
    const std::uint64_t ends = bytes.lf & after_cr;
    if ((((after_cr ^ bytes.lf) | bytes.nul) & looked_at) != 0) return false;
    for (std::uint64_t dots = bytes.dot & (ends << 1 | carried_start); dots != 0;
         dots &= dots - 1) {
      const std::size_t dot = at + static_cast<std::size_t>(std::countr_zero(dots));
      if (dot > run) pieces.push_back(block.substr(run, dot - run));
      pieces.push_back(".");
      run = dot;
    }
    carried_cr = bytes.cr >> (size - 1) & 1;
    carried_start = ends >> (size - 1) & 1;
  }
  const std::size_t end = block.size() - (carried_cr != 0 ? 1 : 0);
  if (end > run) pieces.push_back(block.substr(run, end - run));
  place_ = carried_cr != 0      ? Place::after_cr
           : carried_start != 0 ? Place::line_start
                                : Place::in_line;
  return true;
}

bool ClientContentWriter::finish(Pieces& pieces) {
  if (place_ == Place::after_cr) return false;
  pieces.push_back(place_ == Place::line_start ? ".\r\n" : "\r\n.\r\n");
  return true;
}

}  // namespace brevdue::smtp
