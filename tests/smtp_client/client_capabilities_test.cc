#include "smtp/client_capabilities.h"

#include <gtest/gtest.h>

namespace brevdue::smtp {
namespace {

TEST(ClientCapabilities, finds_what_is_offered_in_any_case) {
  const ClientCapabilities offered = parse_capabilities(
      "mx.test greets you\nPIPELINING\nsize 10240000\n8bitMIME\nSMTPUTF8\nDSN\n"
      "ENHANCEDSTATUSCODES\nCHUNKING\n");
  EXPECT_EQ(offered, (ClientCapabilities{.pipelining = true,
                                         .size = true,
                                         .size_limit = 10'240'000,
                                         .eight_bit_mime = true,
                                         .smtputf8 = true,
                                         .dsn = true,
                                         .enhanced_status_codes = true}));
}

TEST(ClientCapabilities, takes_nothing_from_the_greeting) {
  EXPECT_EQ(parse_capabilities("PIPELINING\n"), ClientCapabilities{});
}

TEST(ClientCapabilities, takes_no_keyword_from_a_longer_word) {
  EXPECT_EQ(parse_capabilities("mx\nXDSN\nDSNX\nPIPELINING=1\n"), ClientCapabilities{});
}

TEST(ClientCapabilities, knows_no_limit_where_the_number_is_none) {
  for (const char* size :
       {"SIZE", "SIZE 0", "SIZE x", "SIZE -1", "SIZE 1x", "SIZE 99999999999999999999999999"}) {
    const ClientCapabilities offered = parse_capabilities(std::string("mx\n") + size + "\n");
    EXPECT_TRUE(offered.size) << size;
    EXPECT_EQ(offered.size_limit, 0u) << size;
  }
}

}  // namespace
}  // namespace brevdue::smtp
