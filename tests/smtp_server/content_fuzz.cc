// The content codec against the slow reference, however the input is cut. The first byte chooses
// the cuts.
#include <cstdint>
#include <string_view>

#include "core/error.h"
#include "tests/smtp_server/reference_codec.h"

using namespace brevdue;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(bytes) + 1, size - 1);
  const auto wanted = smtp::read_content(text);
  std::size_t step = bytes[0] & 0x7fu;
  const auto got =
      smtp::run_codec(text, [&] { return bytes[0] < 128 ? 1 + step++ % 97 : SIZE_MAX; });
  BREVDUE_ASSERT(got.ended == wanted.ended && got.consumed == wanted.consumed);
  if (!wanted.ended) return 0;
  BREVDUE_ASSERT(got.fault == wanted.fault);
  if (wanted.fault != smtp::ContentFault::none) return 0;
  BREVDUE_ASSERT(got.content == wanted.content);
  BREVDUE_ASSERT(got.scan.header_length == wanted.scan.header_length);
  BREVDUE_ASSERT(got.scan.longest_line == wanted.scan.longest_line);
  BREVDUE_ASSERT(got.scan.message_id_at == wanted.scan.message_id_at);
  BREVDUE_ASSERT(got.scan.received_fields == wanted.scan.received_fields);
  BREVDUE_ASSERT(got.scan.eight_bit == wanted.scan.eight_bit);
  return 0;
}
