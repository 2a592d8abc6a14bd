#include "mail/dsn.h"

#include <algorithm>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/dsn/sample_original.h"

namespace brevdue::mail {
namespace {

using testing::HasSubstr;
using testing::Not;

class DsnTest : public testing::Test {
 protected:
  std::vector<Dsn> make(const std::vector<DsnRecipient>& recipients) {
    return make_dsns(original.request(), recipients, ids);
  }
  Dsn make_one(const std::vector<DsnRecipient>& recipients) {
    auto dsns = make(recipients);
    EXPECT_EQ(dsns.size(), 1U);
    return dsns.empty() ? Dsn{} : dsns.front();
  }
  static DsnRecipient failed(std::uint32_t recipient) {
    return {.recipient = recipient,
            .action = DsnAction::failed,
            .reply = "550 5.1.1 <bob@example.com>: Recipient address rejected: User unknown",
            .remote_mta = "mail.example.com[192.0.2.25]:25"};
  }
  static void expect_well_formed(const Dsn& dsn) {
    EXPECT_EQ(dsn.envelope.reverse_path, "");
    EXPECT_EQ(dsn.envelope.content, facts_of(dsn.content));
    EXPECT_LE(dsn.envelope.content.longest_line, 998U);
    EXPECT_LE(dsn.content.size(), 128U * 1024);
    EXPECT_TRUE(dsn.content.ends_with("--\r\n"));
    for (std::size_t i = 0; i < dsn.content.size(); ++i) {
      if (dsn.content[i] == '\n') ASSERT_TRUE(i > 0 && dsn.content[i - 1] == '\r') << i;
      if (dsn.content[i] == '\r') ASSERT_EQ(dsn.content[i + 1], '\n') << i;
      ASSERT_NE(dsn.content[i], '\0');
    }
  }

  SampleOriginal original;
  QueueIdSource ids{QueueId::slot_max, WallTime{}};
};

TEST_F(DsnTest, WhoIsOwedWhat) {
  struct Case {
    std::uint8_t notify;
    bool failed, delayed, relayed;
  };
  using N = DsnNotify;
  for (const Case& c : {Case{N::unset, true, true, false}, Case{N::never, false, false, false},
                        Case{N::success, false, false, true}, Case{N::failure, true, false, false},
                        Case{N::delay, false, true, false},
                        Case{N::success | N::failure | N::delay, true, true, true}}) {
    const Recipient recipient{"x@example.com", "", c.notify};
    EXPECT_EQ(dsn_owed(original.envelope, recipient, DsnAction::failed), c.failed);
    EXPECT_EQ(dsn_owed(original.envelope, recipient, DsnAction::delayed), c.delayed);
    EXPECT_EQ(dsn_owed(original.envelope, recipient, DsnAction::relayed), c.relayed);
  }
}

TEST_F(DsnTest, NothingForTheNullReversePath) {
  original.envelope.reverse_path = "";
  EXPECT_TRUE(make({failed(0), failed(1)}).empty());
}

TEST_F(DsnTest, NothingWhenNobodyIsOwed) {
  EXPECT_TRUE(make({}).empty());
  EXPECT_TRUE(make({failed(2), failed(3)}).empty());
}

TEST_F(DsnTest, FailureHasEveryField) {
  const Dsn dsn = make_one({failed(0), failed(2)});
  expect_well_formed(dsn);
  ASSERT_EQ(dsn.envelope.recipients.size(), 1U);
  EXPECT_EQ(dsn.envelope.recipients[0].address, "alice@sender.example");
  EXPECT_EQ(dsn.envelope.body, BodyType::seven_bit);
  EXPECT_FALSE(dsn.envelope.smtputf8);
  for (const char* line :
       {"From: Mail Delivery System <MAILER-DAEMON@mx.brevdue.example>\r\n",
        "To: <alice@sender.example>\r\n", "Subject: Undelivered Mail Returned to Sender\r\n",
        "Auto-Submitted: auto-replied\r\n", "MIME-Version: 1.0\r\n",
        "multipart/report; report-type=delivery-status;",
        "Reporting-MTA: dns; mx.brevdue.example\r\n", "Original-Envelope-Id: QQ314159\r\n",
        "Original-Recipient: rfc822; Bob+x@example.com\r\n",
        "Final-Recipient: rfc822; bob@example.com\r\n", "Action: failed\r\n", "Status: 5.1.1\r\n",
        "Remote-MTA: dns; mail.example.com\r\n",
        "Diagnostic-Code: smtp; 550 5.1.1 <bob@example.com>:", "Arrival-Date: ",
        "Content-Type: message/rfc822\r\n", "how are you?\r\n",
        "<bob@example.com>: host mail.example.com[192.0.2.25]:25 said:"}) {
    EXPECT_THAT(dsn.content, HasSubstr(line));
  }
  EXPECT_THAT(dsn.content, Not(HasSubstr("dave@example.net")));
  EXPECT_THAT(dsn.content, Not(HasSubstr("Will-Retry-Until")));
}

TEST_F(DsnTest, DelayWarnsAndReturnsTheHeaderOnly) {
  const Dsn dsn = make_one({{.recipient = 1,
                             .action = DsnAction::delayed,
                             .reply = "450 4.4.1 connect to example.net: Connection timed out"}});
  expect_well_formed(dsn);
  EXPECT_THAT(dsn.content, HasSubstr("Action: delayed\r\nStatus: 4.4.1\r\n"));
  EXPECT_THAT(dsn.content, HasSubstr("Diagnostic-Code: X-Brevdue; 450 4.4.1 connect"));
  EXPECT_THAT(dsn.content, HasSubstr("Will-Retry-Until: "));
  EXPECT_THAT(dsn.content, HasSubstr("THIS IS A WARNING ONLY"));
  EXPECT_THAT(dsn.content, HasSubstr("Content-Type: text/rfc822-headers\r\n"));
  EXPECT_THAT(dsn.content, Not(HasSubstr("how are you?")));
}

TEST_F(DsnTest, SuccessSaysRelayed) {
  const Dsn dsn = make_one({{.recipient = 3,
                             .action = DsnAction::relayed,
                             .reply = "250 2.0.0 Ok: queued",
                             .remote_mta = "mx.example.net"}});
  expect_well_formed(dsn);
  EXPECT_THAT(dsn.content, HasSubstr("Action: relayed\r\nStatus: 2.0.0\r\n"));
  EXPECT_THAT(dsn.content, HasSubstr("Subject: Successful Mail Delivery Report\r\n"));
}

TEST_F(DsnTest, StatusFollowsTheReply) {
  const std::pair<const char*, const char*> cases[] = {
      {"550 No such user", "5.0.0"},
      {"550 5.7.1 no", "5.7.1"},
      {"550 4.7.1 confused", "5.0.0"},
      {"550 5.1234.1 no", "5.0.0"},
      {"", "5.0.0"},
      {"garbage", "5.0.0"},
      {"450 4.2.2 full", "4.2.2"},
      {"5.4.6 loop", "5.4.6"},
      {"550-5.1.1 dashed", "5.1.1"},
      {"55", "5.0.0"},
      {"550 5.1.1", "5.1.1"},
      {"550 5.1", "5.0.0"},
  };
  for (const auto& [reply, status] : cases) {
    DsnRecipient report = failed(0);
    report.reply = reply;
    EXPECT_THAT(make_one({report}).content, HasSubstr(fmt::format("Status: {}\r\n", status)))
        << reply;
  }
}

TEST_F(DsnTest, RetHeadersAndSizeLimitWhatIsReturned) {
  original.envelope.dsn_return = DsnReturn::headers;
  EXPECT_THAT(make_one({failed(0)}).content, Not(HasSubstr("how are you?")));
  original.envelope.dsn_return = DsnReturn::full;
  EXPECT_THAT(make_one({failed(0)}).content, HasSubstr("how are you?"));
  std::string large = "Subject: large\r\n\r\n";
  while (large.size() < 60'000) large += "how are you?\r\n";
  original.use(large);
  EXPECT_THAT(make_one({failed(0)}).content, Not(HasSubstr("how are you?")));
}

TEST_F(DsnTest, ContentWithoutItsEndIsReturnedAsHeader) {
  auto request = original.request();
  request.content = request.content.substr(0, original.envelope.content.header_length + 5);
  const auto dsns = make_dsns(request, {failed(0)}, ids);
  ASSERT_EQ(dsns.size(), 1U);
  EXPECT_THAT(dsns[0].content, HasSubstr("Content-Type: text/rfc822-headers"));
  EXPECT_THAT(dsns[0].content, HasSubstr("Subject: Hello\r\n"));
  request.content = {};
  EXPECT_EQ(make_dsns(request, {failed(0)}, ids).size(), 1U);
}

TEST_F(DsnTest, WhatAPeerSaysBreaksNothing) {
  DsnRecipient report = failed(0);
  report.reply =
      "550 5.1.1 evil\r\nAction: delivered\r\n\r\nStatus: 2.0.0\x01\x7f \xff\xc3\xa9 end";
  report.remote_mta = "evil\r\nX-Injected: yes";
  const Dsn dsn = make_one({report});
  expect_well_formed(dsn);
  EXPECT_THAT(dsn.content, Not(HasSubstr("\nAction: delivered")));
  EXPECT_THAT(dsn.content, Not(HasSubstr("\nX-Injected")));
  EXPECT_FALSE(dsn.envelope.content.eight_bit);
  report.reply = "550 " + std::string(508, 'x');
  expect_well_formed(make_one({report}));
}

TEST_F(DsnTest, LongAddressesAreFolded) {
  original.envelope.recipients[0].address = std::string(1010, 'a') + "@example.com";
  original.envelope.recipients[0].original_recipient = "rfc822;" + std::string(1010, 'b');
  original.envelope.reverse_path = std::string(1010, 'c') + "@example.com";
  original.envelope.envelope_id = std::string(1000, 'd');
  expect_well_formed(make_one({failed(0)}));
}

TEST_F(DsnTest, LongLinesInTheOriginalNeverComeBack) {
  original.use("Subject: " + std::string(5000, 'x') + "\r\nTo: b\r\n\r\nbody\r\n");
  const Dsn dsn = make_one({failed(0)});
  expect_well_formed(dsn);
  EXPECT_THAT(dsn.content, HasSubstr("\r\nTo: b\r\n"));
}

TEST_F(DsnTest, EightBitContentIsReturnedAsSuch) {
  original.use("Subject: h\r\n\r\ncaf\xc3\xa9\r\n");
  original.envelope.body = BodyType::eight_bit;
  const Dsn dsn = make_one({failed(0)});
  expect_well_formed(dsn);
  EXPECT_EQ(dsn.envelope.body, BodyType::eight_bit);
  EXPECT_THAT(dsn.content, HasSubstr("Content-Transfer-Encoding: 8bit"));
  EXPECT_THAT(dsn.content, HasSubstr("Content-Type: message/rfc822"));
}

TEST_F(DsnTest, InternationalizedMailUsesTheGlobalForms) {
  original.envelope.smtputf8 = true;
  original.envelope.recipients[0] = {
      "b\xc3\xb6"
      "b@example.com",
      "utf-8;b\\x{F6}b@example.com", DsnNotify::unset};
  const Dsn dsn = make_one({failed(0)});
  expect_well_formed(dsn);
  EXPECT_TRUE(dsn.envelope.smtputf8);
  EXPECT_THAT(dsn.content, HasSubstr("report-type=global-delivery-status"));
  EXPECT_THAT(dsn.content, HasSubstr("Content-Type: message/global-delivery-status"));
  EXPECT_THAT(dsn.content, HasSubstr("Content-Type: message/global\r\n"));
  EXPECT_THAT(dsn.content, HasSubstr("Final-Recipient: utf-8; b\xc3\xb6"
                                     "b@example.com\r\n"));
  EXPECT_THAT(dsn.content, HasSubstr("Original-Recipient: utf-8; b\\x{F6}b@example.com\r\n"));
  EXPECT_THAT(dsn.content, HasSubstr("text/plain; charset=utf-8"));
}

TEST_F(DsnTest, TheBoundaryIsNotInTheContent) {
  // The boundary of a content that contains the boundary it would have got by itself.
  const auto boundary_of = [](const std::string& content) {
    const auto start = content.find("boundary=\"") + 10;
    return content.substr(start, content.find('"', start) - start);
  };
  const std::string first = boundary_of(make_one({failed(0)}).content);
  QueueIdSource again(QueueId::slot_max, WallTime{});
  original.use("Subject: x\r\n\r\n--" + first + "\r\n--" + first + "--\r\n");
  const Dsn dsn = make_dsns(original.request(), {failed(0)}, again).at(0);
  const std::string second = boundary_of(dsn.content);
  EXPECT_NE(first, second);
  std::size_t count = 0;
  for (auto at = dsn.content.find("\r\n--" + second); at != std::string::npos;
       at = dsn.content.find("\r\n--" + second, at + 1)) {
    ++count;
  }
  EXPECT_EQ(count, 4U);
}

TEST_F(DsnTest, ManyRecipientsGoIntoSeveralNotifications) {
  original.envelope.recipients.clear();
  std::vector<DsnRecipient> reports;
  for (std::uint32_t i = 0; i < 2000; ++i) {
    original.envelope.recipients.push_back({fmt::format("user{}@example.com", i), "", 0});
    reports.push_back(failed(i));
  }
  const auto dsns = make(reports);
  EXPECT_GT(dsns.size(), 1U);
  std::size_t named = 0;
  for (const Dsn& dsn : dsns) {
    expect_well_formed(dsn);
    for (auto at = dsn.content.find("\r\nFinal-Recipient:"); at != std::string::npos;
         at = dsn.content.find("\r\nFinal-Recipient:", at + 1)) {
      ++named;
    }
  }
  EXPECT_EQ(named, 2000U);
  EXPECT_NE(dsns[0].envelope.id, dsns[1].envelope.id);
}

TEST_F(DsnTest, ExpiredSaysSo) {
  DsnRecipient report = failed(0);
  report.reply = "450 4.4.1 Connection timed out";
  report.expired = true;
  const Dsn dsn = make_one({report});
  EXPECT_THAT(dsn.content, HasSubstr("tried for too"));
  EXPECT_THAT(dsn.content, HasSubstr("Action: failed\r\nStatus: 4.4.7\r\n"));
}

TEST(FactsOf, CountsLinesHeaderAndBits) {
  const ContentFacts facts = facts_of("A: b\r\n\r\nlong line\r\n\xe9\r\n");
  EXPECT_EQ(facts.size, 22U);
  EXPECT_EQ(facts.header_length, 8U);
  EXPECT_EQ(facts.longest_line, 9U);
  EXPECT_TRUE(facts.eight_bit);
  EXPECT_EQ(facts_of("\r\nbody\r\n").header_length, 2U);
  EXPECT_EQ(facts_of("A: b\r\n").header_length, 6U);
  EXPECT_EQ(facts_of("").header_length, 0U);
}

}  // namespace
}  // namespace brevdue::mail
