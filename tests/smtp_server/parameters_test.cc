#include "smtp/parameters.h"

#include <string>

#include <gtest/gtest.h>

namespace brevdue::smtp {

TEST(ParametersTest, NothingIsFine) {
  EXPECT_TRUE(parse_mail_parameters("").has_value());
  EXPECT_TRUE(parse_rcpt_parameters("   ").has_value());
}

TEST(ParametersTest, SizeGoesUpToSixtyFourBits) {
  EXPECT_EQ(parse_mail_parameters(" SIZE=18446744073709551615")->size, UINT64_MAX);
  EXPECT_FALSE(parse_mail_parameters(" SIZE=18446744073709551616").has_value());
  EXPECT_FALSE(parse_mail_parameters(" SIZE=000000000000000000001").has_value());
  EXPECT_FALSE(parse_mail_parameters(" SIZE=-1").has_value());
  EXPECT_FALSE(parse_mail_parameters(" SIZE").has_value());
}

TEST(ParametersTest, XtextIsDecodedStrictly) {
  EXPECT_EQ(decode_xtext("a+2Bb+3D"), "a+b=");
  EXPECT_EQ(decode_xtext("+20"), " ");
  for (const std::string_view text :
       {"+", "+2", "+2b", "a=b", "a b", "+0D", "+7F", "+FF", "\xc3"}) {
    EXPECT_EQ(decode_xtext(text), std::nullopt) << text;
  }
}

TEST(ParametersTest, EnvelopeIdHasALimit) {
  EXPECT_TRUE(parse_mail_parameters(" ENVID=" + std::string(100, 'x')).has_value());
  EXPECT_FALSE(parse_mail_parameters(" ENVID=" + std::string(101, 'x')).has_value());
  EXPECT_FALSE(parse_mail_parameters(" ENVID=").has_value());
}

TEST(ParametersTest, OriginalRecipientMayBeUtf8WhereItsTypeSaysSo) {
  EXPECT_TRUE(parse_rcpt_parameters(" ORCPT=utf-8;\xc3\xa9@x").has_value());
  EXPECT_FALSE(parse_rcpt_parameters(" ORCPT=rfc822;\xc3\xa9@x").has_value());
  EXPECT_FALSE(parse_rcpt_parameters(" ORCPT=utf-8;\xff@x").has_value());
  EXPECT_FALSE(parse_rcpt_parameters(" ORCPT=;a@x").has_value());
  EXPECT_FALSE(parse_rcpt_parameters(" ORCPT=rfc822;").has_value());
  EXPECT_FALSE(parse_rcpt_parameters(" ORCPT=rfc822;" + std::string(494, 'x')).has_value());
}

TEST(ParametersTest, NotifyTakesEachWordOnce) {
  EXPECT_EQ(parse_rcpt_parameters(" NOTIFY=success,FAILURE")->notify,
            mail::DsnNotify::success | mail::DsnNotify::failure);
  for (const std::string_view text : {" NOTIFY=", " NOTIFY", " NOTIFY=SUCCESS,", " NOTIFY=,DELAY",
                                      " NOTIFY=NEVER,NEVER", " NOTIFY=ALWAYS"}) {
    EXPECT_FALSE(parse_rcpt_parameters(text).has_value()) << text;
  }
}

}  // namespace brevdue::smtp
