// What a broken connection, a server that stalls and damaged content end in.
#include <array>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>

#include "tests/delivery/loopback_server.h"
#include "tests/delivery/relay_rig.h"

namespace brevdue::delivery {
namespace {

using mail::RecipientStatus;
using testing::HasSubstr;
using tests::LoopbackServer;
using tests::make_job;
using tests::RelayRig;
using tests::ServerAnswer;

using Answer = std::optional<ServerAnswer>;

class RelayFaults : public testing::Test {
 protected:
  std::string next_hop() const { return "relay:127.0.0.1:" + std::to_string(server->port()); }

  void serve(LoopbackServer::Override override = {}) {
    server = std::make_unique<LoopbackServer>(rig.loop, "127.0.0.1", 0, std::move(override));
  }

  RelayRig rig;
  std::unique_ptr<LoopbackServer> server;
};

TEST_F(RelayFaults, nobody_listens) {
  serve();
  const std::string nowhere = next_hop();
  server.reset();
  const Outcome outcome = rig.relay(make_job(nowhere, {"a@b.test"}));
  EXPECT_EQ(outcome.recipients.at(0).status, RecipientStatus::deferred);
  EXPECT_EQ(outcome.recipients.at(0).enhanced, "4.4.1");
  EXPECT_EQ(outcome.recipients.at(0).reply,
            "connect to 127.0.0.1[127.0.0.1]:" + nowhere.substr(16) + ": Connection refused");
  EXPECT_TRUE(outcome.recipients.at(0).remote.empty());
  EXPECT_TRUE(outcome.destination_failed);
  EXPECT_THAT(rig.log_text(), HasSubstr("relay=none, "));
}

TEST_F(RelayFaults, lost_after_the_dot_is_deferred) {
  serve([](std::size_t, const std::string& line) -> Answer {
    if (line == ".") return ServerAnswer{"", true};
    return std::nullopt;
  });
  const Outcome outcome = rig.relay(make_job(next_hop(), {"a@b.test"}));
  EXPECT_EQ(outcome.recipients.at(0).status, RecipientStatus::deferred);
  EXPECT_EQ(outcome.recipients.at(0).enhanced, "4.4.2");
  EXPECT_EQ(outcome.recipients.at(0).reply,
            "lost connection with 127.0.0.1[127.0.0.1] while sending end of data -- message may be "
            "sent more than once");
  EXPECT_EQ(server->connections(), 1u);
}

TEST_F(RelayFaults, a_kept_connection_that_was_closed_is_replaced) {
  serve([](std::size_t connection, const std::string& line) -> Answer {
    if (connection == 0 && line == ".") return ServerAnswer{"250 2.0.0 Ok\r\n", true};
    return std::nullopt;
  });
  rig.relay(make_job(next_hop(), {"a@b.test"}));
  const Outcome outcome = rig.relay(make_job(next_hop(), {"a@b.test"}));
  EXPECT_EQ(outcome.recipients.at(0).status, RecipientStatus::relayed);
  EXPECT_EQ(server->connections(), 2u);
}

TEST_F(RelayFaults, a_kept_connection_that_is_closed_by_the_next_mail_is_replaced) {
  auto mails = std::make_shared<int>(0);
  for (const char* last_word : {"", "421 4.4.2 too long idle\r\n"}) {
    *mails = 0;
    serve([mails, last_word](std::size_t, const std::string& line) -> Answer {
      if (line.starts_with("MAIL") && ++*mails == 2) return ServerAnswer{last_word, true};
      return std::nullopt;
    });
    rig.relay(make_job(next_hop(), {"a@b.test"}));
    const Outcome outcome = rig.relay(make_job(next_hop(), {"a@b.test"}));
    EXPECT_EQ(outcome.recipients.at(0).status, RecipientStatus::relayed) << last_word;
    EXPECT_EQ(server->connections(), 2u);
  }
}

TEST_F(RelayFaults, a_kept_connection_that_breaks_later_is_not_tried_again) {
  auto mails = std::make_shared<int>(0);
  serve([mails](std::size_t, const std::string& line) -> Answer {
    if (line.starts_with("MAIL")) ++*mails;
    if (line.starts_with("RCPT") && *mails == 2) return ServerAnswer{"", true};
    return std::nullopt;
  });
  rig.relay(make_job(next_hop(), {"a@b.test"}));
  const Outcome outcome = rig.relay(make_job(next_hop(), {"a@b.test"}));
  EXPECT_EQ(outcome.recipients.at(0).status, RecipientStatus::deferred);
  EXPECT_EQ(outcome.recipients.at(0).reply,
            "lost connection with 127.0.0.1[127.0.0.1] while sending RCPT TO");
  EXPECT_TRUE(outcome.destination_failed);
  EXPECT_EQ(server->connections(), 1u);
}

struct StallCase {
  const char* name;
  const char* at;
  const char* doing;
};

class RelayStalls : public RelayFaults, public testing::WithParamInterface<StallCase> {};

TEST_P(RelayStalls, end_at_the_deadline) {
  const std::string at = GetParam().at;
  serve([at](std::size_t, const std::string& line) -> Answer {
    if (line.starts_with(at)) return ServerAnswer{""};
    return std::nullopt;
  });
  constexpr std::chrono::milliseconds soon(20);
  rig.options.deadlines = {soon, soon, soon, soon, soon, soon, soon, soon, soon, soon};
  const Outcome outcome = rig.relay(make_job(next_hop(), {"a@b.test"}));
  EXPECT_EQ(outcome.recipients.at(0).status, RecipientStatus::deferred);
  EXPECT_EQ(
      outcome.recipients.at(0).reply,
      std::string("conversation with 127.0.0.1[127.0.0.1] timed out while ") + GetParam().doing);
}

INSTANTIATE_TEST_SUITE_P(
    Relay, RelayStalls,
    testing::Values(StallCase{"greeting", "CONNECT", "receiving the initial server greeting"},
                    StallCase{"ehlo", "EHLO", "performing the EHLO handshake"},
                    StallCase{"mail", "MAIL", "sending MAIL FROM"},
                    StallCase{"rcpt", "RCPT", "sending RCPT TO"},
                    StallCase{"data", "DATA", "sending DATA command"},
                    StallCase{"end_of_data", ".",
                              "sending end of data -- message may be sent more than once"}),
    [](const auto& info) { return info.param.name; });

TEST_F(RelayFaults, a_server_that_stops_reading_ends_at_the_deadline) {
  boost::asio::ip::tcp::acceptor acceptor(
      rig.loop, {boost::asio::ip::make_address("127.0.0.1"), std::uint16_t{0}});
  boost::asio::ip::tcp::socket socket(rig.loop);
  acceptor.async_accept(socket, [&](boost::system::error_code error) {
    ASSERT_FALSE(error);
    const std::string all = "220 x\r\n250-x\r\n250 PIPELINING\r\n250 ok\r\n250 ok\r\n354 go\r\n";
    socket.send(boost::asio::buffer(all.substr(0, 7)));
    boost::asio::co_spawn(
        rig.loop,
        [](boost::asio::ip::tcp::socket& peer, std::string rest) -> boost::asio::awaitable<void> {
          std::array<char, 4096> input;
          co_await peer.async_read_some(boost::asio::buffer(input), boost::asio::use_awaitable);
          peer.send(boost::asio::buffer(rest.substr(0, 23)));
          co_await peer.async_read_some(boost::asio::buffer(input), boost::asio::use_awaitable);
          peer.send(boost::asio::buffer(rest.substr(23)));
        }(socket, all.substr(7)),
        boost::asio::detached);
  });
  rig.options.deadlines.content = std::chrono::milliseconds(20);
  const std::string large(32 << 20, 'x');
  const Outcome outcome = rig.relay(make_job(
      "relay:127.0.0.1:" + std::to_string(acceptor.local_endpoint().port()), {"a@b.test"}, large));
  EXPECT_EQ(outcome.recipients.at(0).status, RecipientStatus::deferred);
  EXPECT_EQ(outcome.recipients.at(0).reply,
            "conversation with 127.0.0.1[127.0.0.1] timed out while sending message body");
}

TEST_F(RelayFaults, damaged_content_is_never_delivered) {
  serve();
  Job job = make_job(next_hop(), {"a@b.test"});
  ++job.envelope.content.crc32c;
  const Outcome outcome = rig.relay(std::move(job));
  EXPECT_TRUE(outcome.content_corrupt);
  EXPECT_EQ(outcome.recipients.at(0).status, RecipientStatus::deferred);
  EXPECT_EQ(outcome.recipients.at(0).enhanced, "4.3.0");
  EXPECT_FALSE(outcome.destination_failed);
  ASSERT_TRUE(rig.run_until([&] { return server->open_connections() == 0; }));
  EXPECT_TRUE(server->messages().empty());
  EXPECT_THAT(rig.log_text(), HasSubstr("error: "));
}

TEST_F(RelayFaults, a_staged_file_that_lost_its_end_is_never_delivered) {
  serve();
  const std::string content(200'000, 'x');
  UniqueFd file(::memfd_create("staged", MFD_CLOEXEC));
  ASSERT_EQ(::write(file.get(), content.data(), content.size() / 2),
            static_cast<ssize_t>(content.size() / 2));
  Job job = make_job(next_hop(), {"a@b.test"}, content);
  job.content = SharedBytes();
  job.file = std::move(file);
  const Outcome outcome = rig.relay(std::move(job));
  EXPECT_TRUE(outcome.content_corrupt);
  ASSERT_TRUE(rig.run_until([&] { return server->open_connections() == 0; }));
  EXPECT_TRUE(server->messages().empty());
}

TEST_F(RelayFaults, content_with_a_bare_line_feed_is_failed_and_never_sent) {
  serve();
  const Outcome outcome =
      rig.relay(make_job(next_hop(), {"a@b.test"}, "Subject: x\r\n\r\nx\n.\r\nMAIL FROM:<>\r\n"));
  EXPECT_EQ(outcome.recipients.at(0).status, RecipientStatus::failed);
  EXPECT_EQ(outcome.recipients.at(0).enhanced, "5.6.0");
  EXPECT_FALSE(outcome.content_corrupt);
  ASSERT_TRUE(rig.run_until([&] { return server->open_connections() == 0; }));
  EXPECT_TRUE(server->messages().empty());
}

}  // namespace
}  // namespace brevdue::delivery
