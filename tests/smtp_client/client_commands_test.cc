#include "smtp/client_commands.h"

#include <gtest/gtest.h>

namespace brevdue::smtp {
namespace {

using mail::DsnNotify;

ClientCapabilities everything() {
  return {.pipelining = true,
          .size = true,
          .size_limit = 0,
          .eight_bit_mime = true,
          .smtputf8 = true,
          .dsn = true,
          .enhanced_status_codes = true};
}

std::string mail_line(const mail::Envelope& envelope, const ClientCapabilities& offered) {
  std::string line;
  append_mail(line, envelope, offered);
  return line;
}

std::string rcpt_line(const mail::Recipient& recipient, const ClientCapabilities& offered) {
  std::string line;
  append_rcpt(line, recipient, offered);
  return line;
}

TEST(ClientCommands, say_nothing_that_was_not_offered) {
  mail::Envelope envelope;
  envelope.reverse_path = "a@b.test";
  envelope.envelope_id = "id";
  envelope.dsn_return = mail::DsnReturn::headers;
  envelope.content = {.size = 7, .eight_bit = true};
  EXPECT_EQ(mail_line(envelope, {}), "MAIL FROM:<a@b.test>\r\n");
  EXPECT_EQ(rcpt_line({"c@d.test", "rfc822;x@y", DsnNotify::success}, {}),
            "RCPT TO:<c@d.test>\r\n");
}

TEST(ClientCommands, say_what_the_envelope_asks_for) {
  mail::Envelope envelope;
  envelope.reverse_path = "a@b.test";
  envelope.envelope_id = "QQ 314+159=";
  envelope.dsn_return = mail::DsnReturn::full;
  envelope.content = {.size = 12345, .eight_bit = true};
  EXPECT_EQ(mail_line(envelope, everything()),
            "MAIL FROM:<a@b.test> SIZE=12345 BODY=8BITMIME RET=FULL ENVID=QQ+20314+2B159+3D\r\n");
  const std::uint8_t all = DsnNotify::success | DsnNotify::failure | DsnNotify::delay;
  EXPECT_EQ(rcpt_line({"c@d.test", "rfc822;x+2By@z", all}, everything()),
            "RCPT TO:<c@d.test> NOTIFY=SUCCESS,FAILURE,DELAY ORCPT=rfc822;x+2By@z\r\n");
  EXPECT_EQ(rcpt_line({"c@d.test", "", DsnNotify::never}, everything()),
            "RCPT TO:<c@d.test> NOTIFY=NEVER\r\n");
}

TEST(ClientCommands, name_the_null_reverse_path) {
  EXPECT_EQ(mail_line({}, {}), "MAIL FROM:<>\r\n");
}

TEST(ClientCommands, ask_for_smtputf8_only_where_it_is_needed) {
  mail::Envelope envelope;
  envelope.recipients = {{"a@b.test", "", 0}};
  envelope.smtputf8 = true;
  EXPECT_FALSE(needs_smtputf8(envelope));
  envelope.content.eight_bit = true;
  EXPECT_TRUE(needs_smtputf8(envelope));
  envelope.smtputf8 = false;
  EXPECT_FALSE(needs_smtputf8(envelope));
  envelope.recipients = {{"a@b\xc3\xbc.test", "", 0}};
  EXPECT_TRUE(needs_smtputf8(envelope));
  EXPECT_NE(mail_line(envelope, everything()).find(" SMTPUTF8"), std::string::npos);
}

TEST(ClientCommands, drop_an_orcpt_that_is_no_parameter_value) {
  for (const char* bad : {"rfc822;a b", "rfc822;a\r\nDATA", "rfc822;a=b", "rfc822;\xc3\xa9"}) {
    EXPECT_EQ(rcpt_line({"c@d.test", bad, 0}, everything()), "RCPT TO:<c@d.test>\r\n") << bad;
  }
}

TEST(ClientCommands, tell_addresses_that_cannot_stand_in_a_command) {
  for (const char* good :
       {"a@b", "", "\"a b\"@c", "\"a\\\"b<>\"@c", "a@[IPv6:::1]", "\xc3\xa9@c"}) {
    EXPECT_TRUE(sendable(good)) << good;
  }
  for (const char* bad : {"a@b\r\nRCPT TO:<c@d>", "a@b\n", "a\r@b", "a b@c", "a>@b", "<a@b",
                          "\"a@b", "\"a\\", "\"a\\\r\"@b", "a\x7f@b", "a\t@b"}) {
    EXPECT_FALSE(sendable(bad)) << bad;
  }
  EXPECT_FALSE(sendable(std::string_view("a\0b@c", 5)));
}

}  // namespace
}  // namespace brevdue::smtp
