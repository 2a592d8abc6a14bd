#include "delivery/relay.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>

#include "core/crc32c.h"
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

class RelayTest : public testing::Test {
 protected:
  std::string relay_host(const LoopbackServer& server) {
    return "relay:127.0.0.1:" + std::to_string(server.port());
  }

  RelayRig rig;
};

TEST_F(RelayTest, relays_a_message_and_logs_it) {
  LoopbackServer server(rig.loop, "127.0.0.1", 0);
  Job job = make_job(relay_host(server), {"a@b.test"});
  const std::string id = job.envelope.id.text();
  const std::uint64_t attempt = job.attempt;
  const Outcome outcome = rig.relay(std::move(job));
  ASSERT_EQ(outcome.recipients.size(), 1u);
  EXPECT_EQ(outcome.attempt, attempt);
  EXPECT_EQ(outcome.recipients[0].status, RecipientStatus::relayed);
  EXPECT_EQ(outcome.recipients[0].enhanced, "2.0.0");
  EXPECT_EQ(outcome.recipients[0].reply, "250 2.0.0 Ok: queued as 1234");
  EXPECT_EQ(outcome.recipients[0].remote, "127.0.0.1");
  EXPECT_TRUE(outcome.recipients[0].dsn_relayed);
  EXPECT_FALSE(outcome.destination_failed);
  ASSERT_EQ(server.messages().size(), 1u);
  EXPECT_EQ(server.messages()[0].wire, "Subject: x\r\n\r\n..hello\r\n.\r\n");
  EXPECT_EQ(server.messages()[0].mail, "MAIL FROM:<from@here.test> SIZE=22");
  EXPECT_THAT(rig.log_text(), HasSubstr(" brevdue/smtp["));
  EXPECT_THAT(rig.log_text(), HasSubstr(id + ": to=<a@b.test>, relay=127.0.0.1[127.0.0.1]:" +
                                        std::to_string(server.port()) + ", delay=0"));
  EXPECT_THAT(rig.log_text(),
              HasSubstr(", dsn=2.0.0, status=sent (250 2.0.0 Ok: queued as 1234)\n"));
}

TEST_F(RelayTest, uses_a_connection_for_many_messages) {
  LoopbackServer server(rig.loop, "127.0.0.1", 0);
  for (int i = 0; i < 5; ++i) {
    const Outcome outcome = rig.relay(make_job(relay_host(server), {"a@b.test"}));
    EXPECT_EQ(outcome.recipients.at(0).status, RecipientStatus::relayed);
  }
  EXPECT_EQ(server.connections(), 1u);
  EXPECT_EQ(server.messages().size(), 5u);
  EXPECT_THAT(rig.log_text(), HasSubstr(", conn_use=2, "));
  EXPECT_THAT(rig.log_text(), HasSubstr(", conn_use=5, "));
  EXPECT_THAT(rig.log_text(), testing::Not(HasSubstr(", conn_use=1, ")));
}

TEST_F(RelayTest, ends_a_connection_that_has_carried_its_share) {
  rig.options.messages_per_connection_max = 2;
  LoopbackServer server(rig.loop, "127.0.0.1", 0);
  for (int i = 0; i < 5; ++i) rig.relay(make_job(relay_host(server), {"a@b.test"}));
  EXPECT_EQ(server.connections(), 3u);
  EXPECT_EQ(std::count(server.lines().begin(), server.lines().end(), "QUIT"), 2);
}

TEST_F(RelayTest, quits_an_idle_connection_after_its_time) {
  rig.options.connection_idle = std::chrono::milliseconds(1);
  LoopbackServer server(rig.loop, "127.0.0.1", 0);
  rig.relay(make_job(relay_host(server), {"a@b.test"}));
  ASSERT_TRUE(rig.run_until([&] { return server.open_connections() == 0; }));
  EXPECT_EQ(server.lines().back(), "QUIT");
  EXPECT_EQ(rig.relay_under_test->connections(), 0u);
}

TEST_F(RelayTest, opens_no_more_connections_than_it_may) {
  rig.options.connections_max = 2;
  LoopbackServer server(rig.loop, "127.0.0.1", 0);
  for (int i = 0; i < 20; ++i) {
    rig.submit(make_job(relay_host(server), {"a@b.test"}));
    EXPECT_LE(rig.relay_under_test->connections(), 2u);
  }
  EXPECT_EQ(rig.relay_under_test->jobs(), 20u);
  ASSERT_TRUE(rig.run_until([&] { return rig.outcomes.size() == 20; }));
  EXPECT_EQ(rig.relay_under_test->jobs(), 0u);
  EXPECT_EQ(server.messages().size(), 20u);
  EXPECT_EQ(server.connections(), 2u);
}

TEST_F(RelayTest, gives_the_place_of_an_idle_connection_to_another_destination) {
  rig.options.connections_max = 1;
  LoopbackServer one(rig.loop, "127.0.0.1", 0);
  LoopbackServer other(rig.loop, "127.0.0.1", 0);
  rig.relay(make_job(relay_host(one), {"a@b.test"}));
  EXPECT_EQ(rig.relay(make_job(relay_host(other), {"a@b.test"})).recipients.at(0).status,
            RecipientStatus::relayed);
  ASSERT_TRUE(rig.run_until([&] { return one.open_connections() == 0; }));
  EXPECT_EQ(one.lines().back(), "QUIT");
  EXPECT_EQ(rig.relay_under_test->connections(), 1u);
}

TEST_F(RelayTest, keeps_the_connections_of_destinations_apart) {
  LoopbackServer one(rig.loop, "127.0.0.1", 0);
  LoopbackServer other(rig.loop, "127.0.0.1", 0);
  for (int i = 0; i < 3; ++i) {
    rig.relay(make_job(relay_host(one), {"a@b.test"}));
    rig.relay(make_job(relay_host(other), {"c@d.test"}));
  }
  EXPECT_EQ(one.connections(), 1u);
  EXPECT_EQ(other.connections(), 1u);
  EXPECT_EQ(one.messages().size(), 3u);
  EXPECT_EQ(other.messages().size(), 3u);
}

TEST_F(RelayTest, gives_each_recipient_its_result_in_the_order_of_the_job) {
  LoopbackServer server(rig.loop, "127.0.0.1", 0,
                        [](std::size_t, const std::string& line) -> std::optional<ServerAnswer> {
                          if (line.starts_with("RCPT TO:<unknown"))
                            return ServerAnswer{"550 5.1.1 No such user\r\n"};
                          if (line.starts_with("RCPT TO:<grey"))
                            return ServerAnswer{"450 4.7.1 Greylisted\r\n"};
                          return std::nullopt;
                        });
  Job job = make_job(relay_host(server),
                     {"left-out@b.test", "unknown@b.test", "good@b.test", "grey@b.test"});
  job.recipients = {1, 2, 3};
  const Outcome outcome = rig.relay(std::move(job));
  ASSERT_EQ(outcome.recipients.size(), 3u);
  EXPECT_EQ(outcome.recipients[0].recipient, 1u);
  EXPECT_EQ(outcome.recipients[0].status, RecipientStatus::failed);
  EXPECT_EQ(outcome.recipients[0].enhanced, "5.1.1");
  EXPECT_EQ(outcome.recipients[0].reply,
            "host 127.0.0.1[127.0.0.1] said: 550 5.1.1 No such user (in reply to RCPT TO command)");
  EXPECT_TRUE(outcome.recipients[0].remote_reply);
  EXPECT_EQ(outcome.recipients[1].status, RecipientStatus::relayed);
  EXPECT_EQ(outcome.recipients[2].status, RecipientStatus::deferred);
  EXPECT_EQ(outcome.recipients[2].enhanced, "4.7.1");
  EXPECT_FALSE(outcome.destination_failed);
  EXPECT_EQ(server.messages().at(0).recipients.size(), 1u);
  EXPECT_THAT(rig.log_text(), HasSubstr("to=<unknown@b.test>"));
  EXPECT_THAT(rig.log_text(), HasSubstr("status=bounced (host"));
  EXPECT_THAT(rig.log_text(), HasSubstr("status=deferred (host"));
}

TEST_F(RelayTest, relays_staged_content_from_its_file) {
  LoopbackServer server(rig.loop, "127.0.0.1", 0);
  std::string content;
  for (int i = 0; content.size() < 3'000'000; ++i) {
    content += (i % 3 == 0 ? ".line " : "line ") + std::to_string(i) + "\r\n";
  }
  UniqueFd file(::memfd_create("staged", MFD_CLOEXEC));
  ASSERT_EQ(::write(file.get(), content.data(), content.size()),
            static_cast<ssize_t>(content.size()));
  Job job = make_job(relay_host(server), {"a@b.test"}, content);
  job.envelope.content.staged = true;
  job.content = SharedBytes();
  job.file = std::move(file);
  EXPECT_EQ(rig.relay(std::move(job)).recipients.at(0).status, RecipientStatus::relayed);
  std::string expected;
  for (std::size_t at = 0; at < content.size();) {
    const std::size_t end = content.find('\n', at) + 1;
    if (content[at] == '.') expected.push_back('.');
    expected.append(content, at, end - at);
    at = end;
  }
  EXPECT_TRUE(server.messages().at(0).wire == expected + ".\r\n");
}

TEST_F(RelayTest, finds_a_relay_host_by_its_name) {
  LoopbackServer server(rig.loop, "127.0.0.1", 0);
  rig.lookup.hosts["smart.test"] =
      std::vector<Exchange>{{"smart.test", 0, {boost::asio::ip::make_address("127.0.0.1")}}};
  rig.relay(make_job("relay:smart.test:" + std::to_string(server.port()), {"a@b.test"}));
  EXPECT_EQ(server.messages().size(), 1u);
  EXPECT_THAT(rig.log_text(), HasSubstr("relay=smart.test[127.0.0.1]:"));
}

TEST_F(RelayTest, never_calls_back_inside_submit) {
  rig.submit(make_job("no such:next hop", {"a@b.test"}));
  EXPECT_TRUE(rig.outcomes.empty());
  ASSERT_TRUE(rig.run_until([&] { return rig.outcomes.size() == 1; }));
  EXPECT_EQ(rig.outcomes[0].recipients.at(0).status, RecipientStatus::failed);
  EXPECT_EQ(rig.outcomes[0].recipients.at(0).enhanced, "5.1.2");
}

TEST_F(RelayTest, may_be_destroyed_by_what_it_calls) {
  LoopbackServer server(rig.loop, "127.0.0.1", 0);
  rig.start();
  bool called = false;
  rig.relay_under_test->submit(make_job(relay_host(server), {"a@b.test"}), [&](const Outcome&) {
    called = true;
    rig.relay_under_test.reset();
  });
  ASSERT_TRUE(rig.run_until([&] { return called && server.open_connections() == 0; }));
}

TEST_F(RelayTest, calls_nobody_once_it_is_destroyed) {
  LoopbackServer server(rig.loop, "127.0.0.1", 0);
  rig.options.connections_max = 3;
  for (int i = 0; i < 6; ++i) rig.submit(make_job(relay_host(server), {"a@b.test"}));
  ASSERT_TRUE(rig.run_until([&] { return server.connections() == 3; }));
  rig.relay_under_test.reset();
  ASSERT_TRUE(rig.run_until([&] { return server.open_connections() == 0; }));
  EXPECT_TRUE(rig.outcomes.empty());
}

}  // namespace
}  // namespace brevdue::delivery
