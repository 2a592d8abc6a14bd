// Puts the header of a segment together again when both of its copies are damaged: each batch says
// in its own header, under a checksum, of which generation, run and salt it is (FORMAT.md).
#pragma once

#include <optional>

#include "backends/iouring/log_format.h"
#include "backends/iouring/segment_reader.h"

namespace brevdue::backends {

// The first batch of the segment says it, or the next that can be read. `size_usual` is that of
// segments made now. Nothing for one that was given up, or in which no batch can be read.
Result<std::optional<SegmentHeader>> rescue_header(SegmentReader& reader, const SegmentFile& file,
                                                   std::uint32_t size_usual);

}  // namespace brevdue::backends
