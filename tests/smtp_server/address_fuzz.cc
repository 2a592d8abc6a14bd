// Paths: what was read reads the same again, and holds nothing that a header could not bear.
#include <cstdint>
#include <string>
#include <string_view>

#include "core/error.h"
#include "mail/envelope.h"
#include "smtp/address.h"

using namespace brevdue;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(bytes), size);
  const auto path = smtp::parse_path(text);
  if (!path) return 0;
  BREVDUE_ASSERT(path->bytes <= size && text[path->bytes - 1] == '>');
  BREVDUE_ASSERT(path->mailbox.size() <= mail::address_bytes_max);
  for (const char c : path->mailbox) BREVDUE_ASSERT(!smtp::is_control(c));
  const auto again = smtp::parse_path("<" + path->mailbox + ">");
  BREVDUE_ASSERT(again.has_value());
  BREVDUE_ASSERT(again->mailbox == path->mailbox && again->has_domain == path->has_domain);
  return 0;
}
