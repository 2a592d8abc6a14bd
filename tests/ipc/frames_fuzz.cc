// The first byte chooses a decoder, the rest is its payload: refused, or a value that encodes and
// decodes to itself.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "tests/ipc/frame_codecs.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace brevdue;
  if (size == 0) return 0;
  const auto& codec = tests::frame_codecs[bytes[0] % tests::frame_codecs.size()];
  const std::string_view payload(reinterpret_cast<const char*>(bytes) + 1, size - 1);
  const auto once = codec.recode(payload);
  if (!once) {
    BREVDUE_ASSERT(once.error().code == ErrorCode::protocol);
    return 0;
  }
  const auto twice = codec.recode(*once);
  BREVDUE_ASSERT(twice.has_value());
  BREVDUE_ASSERT(*twice == *once);
  return 0;
}
