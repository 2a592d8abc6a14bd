#include "smtp/extensions.h"

#include <fmt/format.h>

namespace brevdue::smtp {

std::string ehlo_reply(std::string_view hostname, std::uint64_t size_limit) {
  return fmt::format(
      "250-{}\r\n"
      "250-PIPELINING\r\n"
      "250-SIZE {}\r\n"
      "250-ENHANCEDSTATUSCODES\r\n"
      "250-8BITMIME\r\n"
      "250-DSN\r\n"
      "250 SMTPUTF8\r\n",
      hostname, size_limit);
}

}  // namespace brevdue::smtp
