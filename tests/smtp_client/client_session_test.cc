#include "smtp/client_session.h"

#include <gtest/gtest.h>

namespace brevdue::smtp {
namespace {

using Need = ClientSession::Need;

mail::Envelope envelope_for(std::initializer_list<const char*> recipients) {
  mail::Envelope envelope;
  envelope.reverse_path = "from@here.test";
  envelope.content.size = 10;
  for (const char* address : recipients) envelope.recipients.push_back({address, "", 0});
  return envelope;
}

// A conversation with the answers written down by the test.
class ClientSessionTest : public testing::Test {
 protected:
  // What the client has to say now.
  std::string said() {
    std::string output;
    while (session.next().need == Need::write) {
      output.append(session.output());
      session.written();
    }
    return output;
  }

  void open(const std::string& extensions) {
    session.received("220 mx.test ESMTP\r\n");
    ASSERT_EQ(said(), "EHLO client.test\r\n");
    session.received("250-mx.test\r\n" + extensions + "250 HELP\r\n");
    ASSERT_EQ(session.next().need, Need::idle);
  }

  void begin(const mail::Envelope& envelope) {
    envelope_ = envelope;
    indices_.clear();
    for (std::uint32_t i = 0; i < envelope_.recipients.size(); ++i) indices_.push_back(i);
    session.begin({&envelope_, indices_});
  }

  void expect(std::size_t recipient, ClientVerdict verdict, std::string_view enhanced,
              std::string_view text) {
    const ClientResult& result = session.results().at(recipient);
    EXPECT_EQ(result.verdict, verdict) << result.text;
    EXPECT_EQ(result.enhanced, enhanced);
    EXPECT_EQ(result.text, text);
  }

  ClientSession session{{"client.test", "mx.test[192.0.2.1]", false}};

 private:
  mail::Envelope envelope_;
  std::vector<std::uint32_t> indices_;
};

constexpr const char* pipelining = "250-PIPELINING\r\n";

TEST_F(ClientSessionTest, waits_for_the_greeting_first) {
  EXPECT_EQ(session.next().need, Need::read);
  EXPECT_EQ(session.next().phase, ClientPhase::greeting);
}

TEST_F(ClientSessionTest, falls_back_to_helo) {
  session.received("220 mx.test\r\n");
  EXPECT_EQ(said(), "EHLO client.test\r\n");
  session.received("502 5.5.1 no\r\n");
  EXPECT_EQ(said(), "HELO client.test\r\n");
  session.received("250 mx.test\r\n");
  EXPECT_EQ(session.next().need, Need::idle);
  EXPECT_EQ(session.capabilities(), ClientCapabilities{});
}

TEST_F(ClientSessionTest, something_behind_the_reply_to_ehlo_refuses_the_first_transaction) {
  for (const auto& [behind, text] :
       {std::pair{"250 twice\r\n",
                  "protocol error by mx.test[192.0.2.1] while performing the EHLO handshake: "
                  "a reply to no command"},
        std::pair{"421 4.3.2 going down\r\n",
                  "host mx.test[192.0.2.1] refused to talk to me: 421 4.3.2 going down"}}) {
    ClientSession greeted({"client.test", "mx.test[192.0.2.1]", false});
    greeted.received("220 mx.test\r\n");
    greeted.written();
    greeted.received(std::string("250 mx.test\r\n") + behind);
    EXPECT_EQ(greeted.next().need, Need::closed);
    ASSERT_TRUE(greeted.refusal());
    EXPECT_EQ(greeted.refusal()->text, text);
  }
}

TEST_F(ClientSessionTest, a_reply_to_what_was_not_sent_yet_is_an_error) {
  session.received("220 mx.test\r\n220 mx.test\r\n");
  EXPECT_EQ(session.next().need, Need::closed);
  ASSERT_TRUE(session.refusal());
  EXPECT_EQ(session.refusal()->enhanced, "4.5.0");
}

TEST_F(ClientSessionTest, sends_a_transaction_in_one_group) {
  open(pipelining);
  begin(envelope_for({"a@b.test", "c@d.test"}));
  EXPECT_EQ(said(),
            "MAIL FROM:<from@here.test>\r\nRCPT TO:<a@b.test>\r\nRCPT TO:<c@d.test>\r\nDATA\r\n");
  session.received("250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n");
  EXPECT_EQ(session.next().need, Need::content);
  session.content_written();
  EXPECT_EQ(session.next().phase, ClientPhase::end_of_data);
  session.received("250 2.0.0 Ok: queued as X\r\n");
  EXPECT_EQ(session.next().need, Need::idle);
  expect(0, ClientVerdict::relayed, "2.0.0", "250 2.0.0 Ok: queued as X");
  expect(1, ClientVerdict::relayed, "2.0.0", "250 2.0.0 Ok: queued as X");
  EXPECT_EQ(session.transactions(), 1u);
}

TEST_F(ClientSessionTest, never_sends_content_before_354) {
  open(pipelining);
  begin(envelope_for({"a@b.test"}));
  said();
  EXPECT_EQ(session.next().need, Need::read);
  session.received("250 ok\r\n250 ok\r\n35");
  EXPECT_EQ(session.next().need, Need::read);
  session.received("4 go\r\n");
  EXPECT_EQ(session.next().need, Need::content);
}

TEST_F(ClientSessionTest, waits_after_each_command_without_pipelining) {
  open("");
  begin(envelope_for({"a@b.test", "c@d.test"}));
  EXPECT_EQ(said(), "MAIL FROM:<from@here.test>\r\n");
  session.received("250 ok\r\n");
  EXPECT_EQ(said(), "RCPT TO:<a@b.test>\r\n");
  session.received("550 5.1.1 unknown\r\n");
  EXPECT_EQ(said(), "RCPT TO:<c@d.test>\r\n");
  session.received("250 ok\r\n");
  EXPECT_EQ(said(), "DATA\r\n");
  session.received("354 go\r\n");
  session.content_written();
  session.received("250 ok\r\n");
  expect(0, ClientVerdict::failed, "5.1.1",
         "host mx.test[192.0.2.1] said: 550 5.1.1 unknown (in reply to RCPT TO command)");
  expect(1, ClientVerdict::relayed, "2.0.0", "250 ok");
}

TEST_F(ClientSessionTest, gives_each_recipient_its_own_result) {
  open(pipelining);
  begin(envelope_for({"a@b.test", "c@d.test", "e@f.test"}));
  said();
  session.received("250 ok\r\n450 4.2.1 later\r\n552 too many\r\n250 ok\r\n354 go\r\n");
  session.content_written();
  session.received("554 5.7.1 spam\r\n");
  expect(0, ClientVerdict::deferred, "4.2.1",
         "host mx.test[192.0.2.1] said: 450 4.2.1 later (in reply to RCPT TO command)");
  expect(1, ClientVerdict::deferred, "4.5.3",
         "host mx.test[192.0.2.1] said: 552 too many (in reply to RCPT TO command)");
  expect(2, ClientVerdict::failed, "5.7.1",
         "host mx.test[192.0.2.1] said: 554 5.7.1 spam (in reply to end of DATA command)");
}

TEST_F(ClientSessionTest, resets_in_the_group_of_the_next_transaction) {
  open(pipelining);
  begin(envelope_for({"a@b.test"}));
  said();
  session.received("250 ok\r\n550 no\r\n554 none\r\n");
  EXPECT_EQ(session.next().need, Need::idle);
  begin(envelope_for({"c@d.test"}));
  EXPECT_EQ(said(), "RSET\r\nMAIL FROM:<from@here.test>\r\nRCPT TO:<c@d.test>\r\nDATA\r\n");
  session.received("250 reset\r\n250 ok\r\n250 ok\r\n354 go\r\n");
  session.content_written();
  session.received("250 done\r\n");
  expect(0, ClientVerdict::relayed, "2.0.0", "250 done");
}

TEST_F(ClientSessionTest, resets_by_itself_without_pipelining) {
  open("");
  begin(envelope_for({"a@b.test"}));
  said();
  session.received("250 ok\r\n");
  said();
  session.received("550 no\r\n");
  EXPECT_EQ(session.next().need, Need::idle);
  begin(envelope_for({"c@d.test"}));
  EXPECT_EQ(said(), "RSET\r\n");
  session.received("250 ok\r\n");
  EXPECT_EQ(said(), "MAIL FROM:<from@here.test>\r\n");
}

// RFC 2920 3.1: 354 though no recipient was accepted.
TEST_F(ClientSessionTest, ends_unwanted_data_with_a_lone_dot) {
  open(pipelining);
  begin(envelope_for({"a@b.test"}));
  said();
  session.received("250 ok\r\n550 5.1.1 no\r\n354 go\r\n");
  EXPECT_EQ(said(), ".\r\n");
  session.received("250 took nothing\r\n");
  EXPECT_EQ(session.next().need, Need::idle);
  expect(0, ClientVerdict::failed, "5.1.1",
         "host mx.test[192.0.2.1] said: 550 5.1.1 no (in reply to RCPT TO command)");
}

TEST_F(ClientSessionTest, never_takes_a_lone_dot_for_a_relayed_message) {
  open(pipelining);
  begin(envelope_for({"a@b.test"}));
  said();
  session.received("451 4.3.0 later\r\n250 ok\r\n354 go\r\n");
  EXPECT_EQ(said(), ".\r\n");
  session.received("250 ok\r\n");
  expect(0, ClientVerdict::undecided, "4.3.0",
         "host mx.test[192.0.2.1] said: 451 4.3.0 later (in reply to MAIL FROM command)");
}

TEST_F(ClientSessionTest, fails_everybody_whose_mail_was_refused) {
  open(pipelining);
  begin(envelope_for({"a@b.test", "c@d.test"}));
  said();
  session.received("550 5.7.1 not you\r\n503 a\r\n503 b\r\n503 c\r\n");
  EXPECT_EQ(session.next().need, Need::idle);
  for (const std::size_t i : {0u, 1u}) {
    expect(i, ClientVerdict::failed, "5.7.1",
           "host mx.test[192.0.2.1] said: 550 5.7.1 not you (in reply to MAIL FROM command)");
  }
}

TEST_F(ClientSessionTest, sends_many_recipients_in_several_groups) {
  open(pipelining);
  mail::Envelope envelope = envelope_for({});
  for (int i = 0; i < 250; ++i) {
    envelope.recipients.push_back({"u" + std::to_string(i) + "@b.test", "", 0});
  }
  begin(envelope);
  std::string replies = "250 ok\r\n";
  for (int i = 0; i < 100; ++i) replies += "250 ok\r\n";
  std::string first = said();
  EXPECT_EQ(std::count(first.begin(), first.end(), '\n'), 101);
  session.received(replies);
  std::string second = said();
  EXPECT_EQ(std::count(second.begin(), second.end(), '\n'), 100);
  session.received(std::string_view(replies).substr(8));
  std::string third = said();
  EXPECT_EQ(std::count(third.begin(), third.end(), '\n'), 51);
  EXPECT_TRUE(third.ends_with("DATA\r\n"));
}

struct UnsupportedCase {
  const char* name;
  const char* extensions;
  mail::ContentFacts content;
  const char* recipient;
  const char* enhanced;
};

class Unsupported : public ClientSessionTest,
                    public testing::WithParamInterface<UnsupportedCase> {};

TEST_P(Unsupported, is_failed_without_a_word_to_the_server) {
  open(GetParam().extensions);
  mail::Envelope envelope = envelope_for({GetParam().recipient});
  envelope.content = GetParam().content;
  begin(envelope);
  EXPECT_EQ(session.next().need, Need::idle);
  EXPECT_EQ(session.results()[0].verdict, ClientVerdict::failed);
  EXPECT_EQ(session.results()[0].enhanced, GetParam().enhanced);
  EXPECT_EQ(session.transactions(), 0u);
  // And the connection is as good as before.
  begin(envelope_for({"a@b.test"}));
  EXPECT_TRUE(said().starts_with("MAIL FROM"));
}

INSTANTIATE_TEST_SUITE_P(
    ClientSession, Unsupported,
    testing::Values(
        UnsupportedCase{"too_large", "250-SIZE 100\r\n", {.size = 101}, "a@b.test", "5.3.4"},
        UnsupportedCase{"eight_bit", "", {.size = 1, .eight_bit = true}, "a@b.test", "5.6.1"},
        UnsupportedCase{
            "utf8_address", "250-8BITMIME\r\n", {.size = 1}, "\xc3\xa9@b.test", "5.6.7"},
        UnsupportedCase{"unsendable", "", {.size = 1}, "a@b\r\nDATA", "5.1.3"}),
    [](const auto& info) { return info.param.name; });

TEST_F(ClientSessionTest, leaves_out_a_recipient_that_cannot_be_sent) {
  open(pipelining);
  begin(envelope_for({"a b@c.test", "d@e.test"}));
  EXPECT_EQ(said(), "MAIL FROM:<from@here.test>\r\nRCPT TO:<d@e.test>\r\nDATA\r\n");
  session.received("250 ok\r\n250 ok\r\n354 go\r\n");
  session.content_written();
  session.received("250 ok\r\n");
  EXPECT_EQ(session.results()[0].enhanced, "5.1.3");
  EXPECT_EQ(session.results()[1].verdict, ClientVerdict::relayed);
}

TEST_F(ClientSessionTest, defers_and_never_repeats_what_was_lost_after_the_dot) {
  open(pipelining);
  begin(envelope_for({"a@b.test"}));
  said();
  session.received("250 ok\r\n250 ok\r\n354 go\r\n");
  session.content_written();
  session.lost();
  EXPECT_EQ(session.next().need, Need::closed);
  expect(0, ClientVerdict::deferred, "4.4.2",
         "lost connection with mx.test[192.0.2.1] while sending end of data -- message may be sent "
         "more than once");
}

TEST_F(ClientSessionTest, knows_a_kept_connection_that_was_closed_meanwhile) {
  open(pipelining);
  begin(envelope_for({"a@b.test"}));
  said();
  session.received("250 ok\r\n250 ok\r\n354 go\r\n");
  session.content_written();
  session.received("250 ok\r\n");
  begin(envelope_for({"a@b.test"}));
  said();
  session.lost();
  EXPECT_TRUE(session.stale());
  EXPECT_EQ(session.results()[0].verdict, ClientVerdict::undecided);
}

TEST_F(ClientSessionTest, takes_421_for_mail_on_a_kept_connection_as_closed_meanwhile) {
  open(pipelining);
  begin(envelope_for({"a@b.test"}));
  said();
  session.received("250 ok\r\n250 ok\r\n354 go\r\n");
  session.content_written();
  session.received("250 ok\r\n");
  begin(envelope_for({"a@b.test"}));
  said();
  session.received("421 4.4.2 idle for too long\r\n");
  EXPECT_TRUE(session.stale());
  EXPECT_EQ(session.next().need, Need::closed);
}

TEST_F(ClientSessionTest, reads_the_reply_of_a_server_that_stopped_taking_content) {
  open(pipelining);
  begin(envelope_for({"a@b.test"}));
  said();
  session.received("250 ok\r\n250 ok\r\n354 go\r\n");
  session.content_interrupted();
  EXPECT_EQ(session.next().need, Need::read);
  session.received("552 5.3.4 too big\r\n");
  EXPECT_EQ(session.next().need, Need::closed);
  expect(0, ClientVerdict::failed, "5.3.4",
         "host mx.test[192.0.2.1] said: 552 5.3.4 too big (in reply to end of DATA command)");
}

TEST_F(ClientSessionTest, is_refused_by_a_greeting_and_fails_nobody) {
  session.received("554 5.7.1 go away\r\n");
  ASSERT_TRUE(session.refusal());
  EXPECT_EQ(session.refusal()->verdict, ClientVerdict::undecided);
  EXPECT_EQ(session.refusal()->enhanced, "4.7.1");
  EXPECT_EQ(session.refusal()->text,
            "host mx.test[192.0.2.1] refused to talk to me: 554 5.7.1 go away");
  EXPECT_EQ(session.next().need, Need::closed);
}

TEST_F(ClientSessionTest, makes_progress_by_whole_replies_only) {
  const std::uint64_t before = session.progress();
  for (const char* part : {"2", "20-mx\r\n", "220", " ready\r"}) {
    session.received(part);
    EXPECT_EQ(session.progress(), before);
  }
  session.received("\n");
  EXPECT_GT(session.progress(), before);
}

TEST_F(ClientSessionTest, says_quit_and_closes) {
  open(pipelining);
  session.quit();
  EXPECT_EQ(said(), "QUIT\r\n");
  EXPECT_EQ(session.next().phase, ClientPhase::quit);
  session.received("221 bye\r\n");
  EXPECT_EQ(session.next().need, Need::closed);
}

TEST_F(ClientSessionTest, closes_when_the_server_speaks_out_of_turn) {
  open(pipelining);
  session.received("250 hello?\r\n");
  EXPECT_EQ(session.next().need, Need::closed);
}

TEST_F(ClientSessionTest, passes_only_the_recipients_of_the_transaction) {
  open(pipelining);
  const mail::Envelope envelope = envelope_for({"a@b.test", "c@d.test", "e@f.test"});
  const std::vector<std::uint32_t> some{2, 0};
  session.begin({&envelope, some});
  EXPECT_EQ(said(),
            "MAIL FROM:<from@here.test>\r\nRCPT TO:<e@f.test>\r\nRCPT TO:<a@b.test>\r\nDATA\r\n");
  EXPECT_EQ(session.results().size(), 2u);
}

TEST(ClientSessionLoop, knows_itself_by_its_name) {
  ClientSession session({"Client.Test", "mx[192.0.2.1]", true});
  session.received("220 x\r\n");
  session.written();
  session.received("250-client.test at your service\r\n250 HELP\r\n");
  ASSERT_TRUE(session.refusal());
  EXPECT_EQ(session.refusal()->verdict, ClientVerdict::failed);
  EXPECT_EQ(session.refusal()->enhanced, "5.4.6");
}

}  // namespace
}  // namespace brevdue::smtp
