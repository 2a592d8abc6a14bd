// Which exchanges an attempt tries, in which order, and when it stops.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/delivery/loopback_server.h"
#include "tests/delivery/relay_rig.h"

namespace brevdue::delivery {
namespace {

using boost::asio::ip::make_address;
using mail::RecipientStatus;
using testing::HasSubstr;
using tests::LoopbackServer;
using tests::make_job;
using tests::RelayRig;
using tests::ServerAnswer;

using Answer = std::optional<ServerAnswer>;

// Exchanges mx1 to mx3 of b.test on 127.0.0.1 to 127.0.0.3, all on the port of the first; those
// without a server refuse connections.
class RelayExchanges : public testing::Test {
 protected:
  void serve(unsigned number, LoopbackServer::Override override = {}) {
    servers_[number] = std::make_unique<LoopbackServer>(
        rig.loop, "127.0.0." + std::to_string(number), rig.options.port, std::move(override));
    rig.options.port = servers_[number]->port();
  }

  void SetUp() override {
    rig.options.port = 0;
    std::vector<Exchange> exchanges;
    for (std::uint16_t i = 1; i <= 3; ++i) {
      exchanges.push_back({"mx" + std::to_string(i) + ".b.test",
                           i,
                           {make_address("127.0.0." + std::to_string(i))}});
    }
    rig.lookup.domains["b.test"] = exchanges;
  }

  LoopbackServer& server(unsigned number) { return *servers_[number]; }

  RelayRig rig;

 private:
  std::array<std::unique_ptr<LoopbackServer>, 4> servers_;
};

LoopbackServer::Override answer(std::string to, std::string with, bool close = false) {
  return [to, with, close](std::size_t, const std::string& line) -> Answer {
    if (line.starts_with(to)) return ServerAnswer{with, close};
    return std::nullopt;
  };
}

TEST_F(RelayExchanges, starts_with_the_first) {
  serve(1);
  serve(2);
  rig.relay(make_job("b.test", {"a@b.test"}));
  EXPECT_EQ(server(1).messages().size(), 1u);
  EXPECT_EQ(server(2).connections(), 0u);
  EXPECT_THAT(rig.log_text(), HasSubstr("relay=mx1.b.test[127.0.0.1]:"));
}

TEST_F(RelayExchanges, goes_on_to_the_next_when_a_connection_is_refused) {
  serve(3);
  const Outcome outcome = rig.relay(make_job("b.test", {"a@b.test"}));
  EXPECT_EQ(outcome.recipients.at(0).status, RecipientStatus::relayed);
  EXPECT_EQ(outcome.recipients.at(0).remote, "mx3.b.test");
  EXPECT_FALSE(outcome.destination_failed);
}

struct NextCase {
  const char* name;
  const char* command;
  const char* answer;
  bool close;
};

class NextExchange : public RelayExchanges, public testing::WithParamInterface<NextCase> {};

TEST_P(NextExchange, is_tried) {
  serve(1, answer(GetParam().command, GetParam().answer, GetParam().close));
  serve(2);
  const Outcome outcome = rig.relay(make_job("b.test", {"a@b.test"}));
  EXPECT_EQ(outcome.recipients.at(0).status, RecipientStatus::relayed);
  EXPECT_EQ(server(1).connections(), 1u);
  EXPECT_EQ(server(2).messages().size(), 1u);
}

INSTANTIATE_TEST_SUITE_P(
    Relay, NextExchange,
    testing::Values(NextCase{"greeting_transient", "CONNECT", "421 4.3.2 busy\r\n", true},
                    NextCase{"greeting_permanent", "CONNECT", "554 5.7.1 no\r\n", true},
                    NextCase{"greeting_garbage", "CONNECT", "SSH-2.0-x\r\n", false},
                    NextCase{"greeting_closed", "CONNECT", "", true},
                    NextCase{"ehlo_transient", "EHLO", "451 4.3.0 later\r\n", false},
                    NextCase{"mail_transient", "MAIL", "452 4.3.1 full\r\n", false},
                    NextCase{"mail_closed", "MAIL", "", true},
                    NextCase{"rcpt_closing", "RCPT", "421 4.3.2 shutting down\r\n", true},
                    NextCase{"rcpt_closed", "RCPT", "", true},
                    NextCase{"data_transient", "DATA", "451 4.3.0 later\r\n", false},
                    NextCase{"data_closing", "DATA", "421 4.3.0 later\r\n", true}),
    [](const auto& info) { return info.param.name; });

class NoNextExchange : public RelayExchanges, public testing::WithParamInterface<NextCase> {};

TEST_P(NoNextExchange, is_tried_for_a_recipient_with_a_verdict) {
  serve(1, answer(GetParam().command, GetParam().answer, GetParam().close));
  serve(2);
  const Outcome outcome = rig.relay(make_job("b.test", {"a@b.test"}));
  EXPECT_NE(outcome.recipients.at(0).status, RecipientStatus::relayed);
  EXPECT_EQ(server(2).connections(), 0u);
  EXPECT_FALSE(outcome.destination_failed);
}

INSTANTIATE_TEST_SUITE_P(
    Relay, NoNextExchange,
    testing::Values(NextCase{"mail_permanent", "MAIL", "550 5.7.1 no\r\n", false},
                    NextCase{"rcpt_transient", "RCPT", "450 4.2.1 later\r\n", false},
                    NextCase{"rcpt_permanent", "RCPT", "550 5.1.1 no\r\n", false},
                    NextCase{"end_of_data_transient", ".", "451 4.3.0 later\r\n", false},
                    NextCase{"end_of_data_permanent", ".", "554 5.7.1 spam\r\n", false},
                    NextCase{"end_of_data_closed", ".", "", true},
                    NextCase{"end_of_data_closing", ".", "421 4.3.0 bye\r\n", true}),
    [](const auto& info) { return info.param.name; });

TEST_F(RelayExchanges, keeps_what_a_host_decided_and_takes_the_rest_on) {
  serve(1, [](std::size_t, const std::string& line) -> Answer {
    if (line.starts_with("RCPT TO:<gone")) return ServerAnswer{"550 5.1.1 gone\r\n"};
    if (line.starts_with("RCPT TO:<later")) return ServerAnswer{"421 4.3.2 bye\r\n", true};
    return std::nullopt;
  });
  serve(2);
  const Outcome outcome =
      rig.relay(make_job("b.test", {"gone@b.test", "later@b.test", "c@b.test"}));
  EXPECT_EQ(outcome.recipients.at(0).status, RecipientStatus::failed);
  EXPECT_EQ(outcome.recipients.at(0).remote, "mx1.b.test");
  EXPECT_EQ(outcome.recipients.at(1).status, RecipientStatus::relayed);
  EXPECT_EQ(outcome.recipients.at(2).status, RecipientStatus::relayed);
  ASSERT_EQ(server(2).messages().size(), 1u);
  EXPECT_THAT(server(2).messages()[0].recipients,
              testing::ElementsAre("RCPT TO:<later@b.test>", "RCPT TO:<c@b.test>"));
}

TEST_F(RelayExchanges, says_what_the_last_one_said_when_all_fail) {
  serve(1, answer("CONNECT", "421 4.3.2 busy\r\n", true));
  serve(3, answer("CONNECT", "554 5.7.1 no\r\n", true));
  const Outcome outcome = rig.relay(make_job("b.test", {"a@b.test"}));
  EXPECT_EQ(outcome.recipients.at(0).status, RecipientStatus::deferred);
  EXPECT_EQ(outcome.recipients.at(0).enhanced, "4.7.1");
  EXPECT_EQ(outcome.recipients.at(0).reply,
            "host mx3.b.test[127.0.0.3] refused to talk to me: 554 5.7.1 no");
  EXPECT_TRUE(outcome.destination_failed);
}

TEST_F(RelayExchanges, tries_no_more_addresses_than_it_may) {
  rig.options.addresses_max = 2;
  serve(3);
  const Outcome outcome = rig.relay(make_job("b.test", {"a@b.test"}));
  EXPECT_EQ(outcome.recipients.at(0).reply,
            "connect to mx2.b.test[127.0.0.2]:" + std::to_string(rig.options.port) +
                ": Connection refused");
  EXPECT_EQ(server(3).connections(), 0u);
}

TEST_F(RelayExchanges, relays_to_an_address_literal) {
  serve(2);
  EXPECT_EQ(rig.relay(make_job("[127.0.0.2]", {"a@[127.0.0.2]"})).recipients.at(0).status,
            RecipientStatus::relayed);
}

TEST_F(RelayExchanges, fails_a_domain_that_takes_no_mail) {
  rig.lookup.domains["null.test"] = std::unexpected(null_mx_reply("null.test"));
  const Outcome outcome = rig.relay(make_job("null.test", {"a@null.test"}));
  EXPECT_EQ(outcome.recipients.at(0).status, RecipientStatus::failed);
  EXPECT_EQ(outcome.recipients.at(0).enhanced, "5.1.10");
  EXPECT_THAT(rig.log_text(), HasSubstr("relay=none, "));
}

TEST_F(RelayExchanges, defers_when_the_lookup_fails_for_now) {
  rig.lookup.domains["slow.test"] =
      std::unexpected(mail::Reply{451, "4.4.3", "Name service error for slow.test"});
  const Outcome outcome = rig.relay(make_job("slow.test", {"a@slow.test"}));
  EXPECT_EQ(outcome.recipients.at(0).status, RecipientStatus::deferred);
  EXPECT_EQ(outcome.recipients.at(0).enhanced, "4.4.3");
  EXPECT_TRUE(outcome.destination_failed);
}

TEST_F(RelayExchanges, fails_what_would_come_back) {
  rig.lookup.domains["loop.test"] =
      std::vector<Exchange>{{"MX.here.test.", 10, {make_address("127.0.0.1")}}};
  const Outcome outcome = rig.relay(make_job("loop.test", {"a@loop.test"}));
  EXPECT_EQ(outcome.recipients.at(0).status, RecipientStatus::failed);
  EXPECT_EQ(outcome.recipients.at(0).enhanced, "5.4.6");
  EXPECT_EQ(outcome.recipients.at(0).reply, "mail for loop.test loops back to myself");
}

TEST_F(RelayExchanges, fails_what_reaches_a_server_of_our_name) {
  serve(1, answer("EHLO", "250 mx.here.test\r\n"));
  const Outcome outcome = rig.relay(make_job("b.test", {"a@b.test"}));
  EXPECT_EQ(outcome.recipients.at(0).status, RecipientStatus::failed);
  EXPECT_EQ(outcome.recipients.at(0).enhanced, "5.4.6");
}

}  // namespace
}  // namespace brevdue::delivery
