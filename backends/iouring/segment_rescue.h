// Puts the header of a segment together again when both of its copies are damaged: each batch says
// in its own header, under a checksum, of which generation, run and salt it is (FORMAT.md).
#pragma once

#include <optional>

#include "backends/iouring/log_format.h"
#include "backends/iouring/segment_reader.h"

namespace brevdue::backends {

// The first batch of the segment says it; behind it may lie what is left of an earlier life.
// `size_usual` is that of segments made now. Nothing if no batch can be read there.
Result<std::optional<SegmentHeader>> rescue_header(SegmentReader& reader, const SegmentFile& file,
                                                   std::uint32_t size_usual);

}  // namespace brevdue::backends
