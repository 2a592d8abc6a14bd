// Any bytes are refused or give a value within its bounds, which encodes and decodes to itself.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "mail/settlement.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace brevdue;
  const std::string_view text(reinterpret_cast<const char*>(bytes), size);
  const auto decoded = mail::decode_settlement(text);
  if (!decoded) return 0;
  const auto again = mail::decode_settlement(mail::encode(*decoded));
  BREVDUE_ASSERT(again.has_value());
  BREVDUE_ASSERT(*again == *decoded);
  return 0;
}
