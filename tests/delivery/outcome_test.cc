#include "delivery/outcome.h"

#include <gtest/gtest.h>

#include "mail/envelope.h"

namespace brevdue::delivery {
namespace {

using mail::RecipientStatus;

Outcome two_results() {
  Outcome outcome;
  outcome.attempt = 0x1234567890abcdef;
  outcome.destination_failed = true;
  outcome.recipients = {
      {0, RecipientStatus::relayed, "2.0.0", "250 2.0.0 Ok", "mx.test", true, true},
      {49'999, RecipientStatus::failed, "5.1.1", std::string(mail::reply_bytes_max, 'x'), "", false,
       false}};
  return outcome;
}

TEST(Outcome, comes_back_as_it_was) {
  const Outcome outcome = two_results();
  const auto decoded = decode_outcome(encode(outcome));
  ASSERT_TRUE(decoded);
  EXPECT_EQ(decoded->attempt, outcome.attempt);
  EXPECT_TRUE(decoded->destination_failed);
  EXPECT_FALSE(decoded->content_corrupt);
  ASSERT_EQ(decoded->recipients.size(), 2u);
  for (std::size_t i = 0; i < 2; ++i) {
    const RecipientOutcome& was = outcome.recipients[i];
    const RecipientOutcome& is = decoded->recipients[i];
    EXPECT_EQ(is.recipient, was.recipient);
    EXPECT_EQ(is.status, was.status);
    EXPECT_EQ(is.enhanced, was.enhanced);
    EXPECT_EQ(is.reply, was.reply);
    EXPECT_EQ(is.remote, was.remote);
    EXPECT_EQ(is.remote_reply, was.remote_reply);
    EXPECT_EQ(is.dsn_relayed, was.dsn_relayed);
  }
}

TEST(Outcome, cuts_a_reply_that_is_too_long) {
  Outcome outcome = two_results();
  outcome.recipients[0].reply = std::string(2000, 'y');
  const auto decoded = decode_outcome(encode(outcome));
  ASSERT_TRUE(decoded);
  EXPECT_EQ(decoded->recipients[0].reply.size(), mail::reply_bytes_max);
}

TEST(Outcome, is_refused_when_it_is_cut_anywhere) {
  const std::string whole = encode(two_results());
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_FALSE(decode_outcome(whole.substr(0, size))) << size;
  }
  EXPECT_FALSE(decode_outcome(whole + "x"));
}

TEST(Outcome, has_a_result_that_ends_an_attempt) {
  Outcome outcome = two_results();
  outcome.recipients[0].status = RecipientStatus::pending;
  EXPECT_FALSE(decode_outcome(encode(outcome)));
  outcome = two_results();
  outcome.recipients[0].recipient = mail::recipients_max;
  EXPECT_FALSE(decode_outcome(encode(outcome)));
}

}  // namespace
}  // namespace brevdue::delivery
