#include "backends/iouring/batch_builder.h"

#include <cstring>

#include "core/crc32c.h"
#include "core/error.h"

namespace brevdue::backends {

void BatchBuilder::begin(const SegmentHeader& segment, std::uint32_t offset, std::uint32_t size) {
  large_ = AlignedBuffer();
  target_ = &arena_;
  if (size > arena_.size()) {
    large_ = AlignedBuffer(round_up_to_block(size));
    target_ = &large_;
  }
  segment_ = segment;
  offset_ = offset;
  used_ = batch_header_size;
  count_ = 0;
}

std::uint32_t BatchBuilder::add(const LogRecord& record) {
  const auto size = static_cast<std::uint32_t>(record.size());
  BREVDUE_ASSERT(size <= target_->size() - used_);
  encode(record, segment_.seed(), target_->bytes() + used_);
  const std::uint32_t at = offset_ + used_;
  used_ += size;
  ++count_;
  return at;
}

std::string_view BatchBuilder::finish(BatchHeader header) {
  header.offset = offset_;
  header.length = used_ - batch_header_size;
  header.count = count_;
  header.payload_crc = crc32c(target_->view().substr(batch_header_size, header.length));
  encode(header, segment_, target_->bytes());
  const std::uint32_t padded = header.padded_size();
  std::memset(target_->bytes() + used_, 0, padded - used_);
  return target_->view().substr(0, padded);
}

}  // namespace brevdue::backends
