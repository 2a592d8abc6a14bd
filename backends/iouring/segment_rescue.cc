#include "backends/iouring/segment_rescue.h"

#include <algorithm>

namespace brevdue::backends {

Result<std::optional<SegmentHeader>> rescue_header(SegmentReader& reader, const SegmentFile& file,
                                                   std::uint32_t size_usual) {
  const auto size =
      static_cast<std::uint32_t>(std::min<std::uint64_t>(file.size, segment_size_max));
  reader.select(file.number, std::min(size, segment_header_area + log_block));
  auto block = reader.view(segment_header_area, log_block);
  if (!block) return propagate(std::move(block.error()));
  auto found = segment_of_batch(*block, segment_header_area);
  if (!found) return std::nullopt;
  found->number = file.number;
  // Of one that was cut short nobody knows how long it was.
  found->size = std::max(size / log_block * log_block, size_usual);
  return found;
}

}  // namespace brevdue::backends
