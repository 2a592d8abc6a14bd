#include "delivery/log_line.h"

#include <gtest/gtest.h>

namespace brevdue::delivery {
namespace {

using std::chrono::microseconds;

TEST(LogLine, reads_as_postfix_writes_it) {
  const auto id = mail::QueueId::parse("4gW2Xs0hYzzz");
  const mail::QueueId known = id ? *id : mail::QueueId(1);
  const RecipientOutcome outcome{
      0, mail::RecipientStatus::relayed, "2.0.0", "250 2.0.0 Ok", "mx.b", true, false};
  const AttemptFacts facts{
      "mx.b[192.0.2.1]:25",
      2,
      {microseconds(100'000), microseconds(0), microseconds(123'456), microseconds(200'000)}};
  EXPECT_EQ(log_line(known, {"a@b", "", 0}, outcome, facts),
            known.text() +
                ": to=<a@b>, relay=mx.b[192.0.2.1]:25, conn_use=2, delay=0.42, "
                "delays=0.1/0/0.12/0.2, dsn=2.0.0, status=sent (250 2.0.0 Ok)");
}

TEST(LogLine, names_the_original_recipient_where_it_is_another) {
  const RecipientOutcome outcome{0, mail::RecipientStatus::failed, "5.1.1", "no", "", false, false};
  const mail::QueueId id(4096);
  EXPECT_EQ(log_line(id, {"a@b", "rfc822;x+2By@z", 0}, outcome, {}),
            id.text() +
                ": to=<a@b>, orig_to=<x+y@z>, relay=none, delay=0, delays=0/0/0/0, dsn=5.1.1, "
                "status=bounced (no)");
  EXPECT_EQ(log_line(id, {"a@b", "rfc822;a@b", 0}, outcome, {}).find("orig_to"), std::string::npos);
}

TEST(LogLine, rounds_delays_to_two_digits) {
  EXPECT_EQ(delay_text(microseconds(-5)), "0");
  EXPECT_EQ(delay_text(microseconds(4'999)), "0");
  EXPECT_EQ(delay_text(microseconds(5'000)), "0.01");
  EXPECT_EQ(delay_text(microseconds(54'000)), "0.05");
  EXPECT_EQ(delay_text(microseconds(994'999)), "0.99");
  EXPECT_EQ(delay_text(microseconds(995'000)), "1");
  EXPECT_EQ(delay_text(microseconds(1'240'000)), "1.2");
  EXPECT_EQ(delay_text(microseconds(9'949'999)), "9.9");
  EXPECT_EQ(delay_text(microseconds(9'950'000)), "10");
  EXPECT_EQ(delay_text(microseconds(123'400'000)), "123");
}

}  // namespace
}  // namespace brevdue::delivery
