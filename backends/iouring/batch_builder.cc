#include "backends/iouring/batch_builder.h"

#include <cstring>

#include "core/error.h"

namespace brevdue::backends {

std::uint32_t BatchBuilder::add(const LogRecord& record) {
  const auto size = static_cast<std::uint32_t>(record.size());
  BREVDUE_ASSERT(size <= memory_.size() - used_);
  crc_ = encode(record, segment_.seed(), memory_.data() + used_, crc_);
  const std::uint32_t at = offset_ + used_;
  used_ += size;
  ++count_;
  return at;
}

std::string_view BatchBuilder::finish(BatchHeader header) {
  header.offset = offset_;
  header.length = used_ - batch_header_size;
  header.count = count_;
  header.payload_crc = crc_;
  encode(header, segment_, memory_.data());
  const std::uint32_t padded = header.padded_size();
  std::memset(memory_.data() + used_, 0, padded - used_);
  return {memory_.data(), padded};
}

}  // namespace brevdue::backends
