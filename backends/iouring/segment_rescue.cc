#include "backends/iouring/segment_rescue.h"

#include <algorithm>

namespace brevdue::backends {

namespace {
// Of a segment that seems to be blank: more would cost every start too much.
constexpr std::uint32_t blank_looked_at = 256 * 1024;
constexpr std::size_t sector = 512;

bool is_zero(std::string_view bytes) {
  return std::ranges::all_of(bytes, [](char byte) { return byte == 0; });
}
}  // namespace

Result<std::optional<SegmentHeader>> rescue_header(SegmentReader& reader, const SegmentFile& file,
                                                   std::uint32_t size_usual) {
  const auto size =
      static_cast<std::uint32_t>(std::min<std::uint64_t>(file.size, segment_size_max));
  std::uint32_t end = std::min(size, segment_header_area + log_block);
  std::optional<SegmentHeader> found;
  for (std::uint32_t at = segment_header_area; at < end; at += log_block) {
    if (at == segment_header_area) reader.select(file.number, end);
    auto block = reader.view(at, log_block);
    if (!block) return propagate(std::move(block.error()));
    if (at == segment_header_area) {
      if (is_given_up(*block)) return std::nullopt;
      const bool seems_blank = is_zero(block->substr(0, sector));
      const auto batch = segment_of_batch(*block, at);
      if (!batch) end = seems_blank ? std::min(size, blank_looked_at) : size;
      reader.select(file.number, end);
      found = batch;
      continue;
    }
    const auto batch = segment_of_batch(*block, at);
    // Behind the last batch may lie what is left of an earlier life.
    if (batch && (!found || batch->generation > found->generation)) found = batch;
  }
  if (!found) return std::nullopt;
  found->number = file.number;
  // Of one that was cut short nobody knows how long it was.
  found->size = std::max(size / log_block * log_block, size_usual);
  return found;
}

}  // namespace brevdue::backends
