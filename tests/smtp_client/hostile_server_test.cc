// Every bad thing a server can do, at every step of a conversation, must leave each recipient with
// a result that is true, and the client with a connection that is usable or closed.
#include <gtest/gtest.h>

#include "smtp/client_content_writer.h"
#include "smtp/client_session.h"
#include "tests/smtp_client/polite_server.h"

namespace brevdue::smtp {
namespace {

using Need = ClientSession::Need;
using tests::PoliteServer;
using tests::ServerAnswer;

constexpr std::string_view content = "Subject: x\r\n\r\n.dot\r\nbody\r\n";

mail::Envelope two_recipients() {
  mail::Envelope envelope;
  envelope.reverse_path = "from@here.test";
  envelope.content.size = content.size();
  envelope.recipients = {{"a@b.test", "", 0}, {"c@d.test", "", 0}};
  return envelope;
}

enum class Silence { none, end, stall };

// What a server does in place of its answer number `step`.
struct Misbehaviour {
  const char* name;
  std::string bytes;
  Silence then = Silence::none;
};

std::vector<Misbehaviour> misbehaviours() {
  std::string many;
  for (int i = 0; i < 999; ++i) many += "250-line\r\n";
  return {
      {"999_lines", many + "250 end\r\n"},
      {"megabyte_line", "250 " + std::string(1 << 20, 'x') + "\r\n"},
      {"garbage", std::string("\x80\xff\x01gar\r\nbage\r\n")},
      {"open_end_then_eof", "250-more to come\r\n", Silence::end},
      {"nul", std::string("250 o\0k\r\n", 9)},
      {"code_mismatch", "250-a\r\n550 b\r\n"},
      {"one_hundred", "100 continue\r\n"},
      {"two_digits", "25 ok\r\n"},
      {"bare_lf", "250 ok\n"},
      {"eof", "", Silence::end},
      {"half_a_reply_then_eof", "25", Silence::end},
      {"stall", "", Silence::stall},
      {"half_a_reply_then_stall", "250-x\r\n250 o", Silence::stall},
      {"closing", "421 4.3.2 shutting down\r\n", Silence::end},
      {"transient", "451 4.3.0 later\r\n"},
      {"permanent", "554 5.0.0 never\r\n"},
      {"wrong_intermediate", "354 go\r\n"},
      {"wrong_positive", "250 ok\r\n"},
      {"two_replies", "250 ok\r\n250 ok\r\n"},
  };
}

struct Conversation {
  ClientSession session{{"client.test", "mx.test[192.0.2.1]", false}};
  std::size_t answers = 0;
  std::size_t accepted_messages = 0;
  std::string wire;
};

struct Plan {
  bool pipelining;
  std::size_t step;  // counts answers from the greeting on; past the last: a polite server
  const Misbehaviour* instead;
  bool bytewise;
};

class Runner {
 public:
  Runner(Conversation& talk, const Plan& plan)
      : talk_(talk),
        plan_(plan),
        server_(plan.pipelining ? std::vector<std::string>{"PIPELINING"}
                                : std::vector<std::string>{}) {}

  void run() {
    deliver(server_.greeting());
    for (int transaction = 0; transaction < 2; ++transaction) {
      if (!step_until_idle()) break;
      talk_.session.begin({&envelope_, indices_});
      if (!step_until_idle()) break;
      check_results();
    }
    if (talk_.session.next().need == Need::closed && !talk_.session.results().empty()) {
      check_results();
    }
    talk_.accepted_messages = server_.messages().size();
  }

 private:
  bool step_until_idle() {
    for (int steps = 0; steps < 1000; ++steps) {
      switch (talk_.session.next().need) {
        case Need::write: {
          const std::string output(talk_.session.output());
          talk_.session.written();
          feed_server(output);
          break;
        }
        case Need::content:
          write_content();
          break;
        case Need::read:
          // Nothing more will come: the server is silent or gone.
          if (gone_) {
            talk_.session.lost();
          } else {
            talk_.session.timed_out();
          }
          break;
        case Need::idle:
          return true;
        case Need::closed:
          return false;
      }
    }
    ADD_FAILURE() << "the session makes no progress";
    return false;
  }

  void write_content() {
    ClientContentWriter writer;
    ClientContentWriter::Pieces pieces;
    ASSERT_TRUE(writer.add(content, pieces) && writer.finish(pieces));
    std::string wire;
    for (const std::string_view piece : pieces) wire.append(piece);
    talk_.session.content_written();
    if (!gone_) feed_server(wire);
  }

  void feed_server(const std::string& bytes) {
    if (gone_) return;
    for (const ServerAnswer& answer : server_.feed(bytes)) deliver(answer);
  }

  void deliver(const ServerAnswer& answer) {
    if (gone_ || silent_) return;
    std::string bytes = answer.bytes;
    Silence then = Silence::none;
    if (talk_.answers++ == plan_.step && plan_.instead != nullptr) {
      bytes = plan_.instead->bytes;
      then = plan_.instead->then;
    }
    if (plan_.bytewise) {
      for (const char& byte : bytes) talk_.session.received({&byte, 1});
    } else {
      talk_.session.received(bytes);
    }
    gone_ = then == Silence::end;
    silent_ = then == Silence::stall;
  }

  void check_results() {
    std::size_t relayed = 0;
    for (const ClientResult& result : talk_.session.results()) {
      EXPECT_FALSE(result.text.empty());
      EXPECT_LE(result.text.size(), 512u);
      ASSERT_FALSE(result.enhanced.empty());
      const char expected = result.verdict == ClientVerdict::relayed  ? '2'
                            : result.verdict == ClientVerdict::failed ? '5'
                                                                      : '4';
      EXPECT_EQ(result.enhanced[0], expected) << result.text;
      for (const char c : result.text) EXPECT_TRUE(c >= 0x20 && c < 0x7f);
      if (result.verdict == ClientVerdict::relayed) ++relayed;
    }
    const bool lied = plan_.instead != nullptr && plan_.instead->bytes.starts_with("250 ok\r\n");
    if (!lied && relayed > 0) {
      EXPECT_FALSE(server_.messages().empty());
      EXPECT_LE(relayed, server_.messages().back().recipients.size());
    }
  }

  Conversation& talk_;
  Plan plan_;
  PoliteServer server_;
  mail::Envelope envelope_ = two_recipients();
  std::vector<std::uint32_t> indices_{0, 1};
  bool gone_ = false;
  bool silent_ = false;
};

std::size_t answers_of_a_polite_conversation(bool pipelining) {
  Conversation talk;
  Runner(talk, {pipelining, 1000, nullptr, false}).run();
  EXPECT_EQ(talk.accepted_messages, 2u);
  return talk.answers;
}

class HostileServer : public testing::TestWithParam<bool> {};

TEST_P(HostileServer, costs_a_connection_and_never_a_recipient) {
  const std::size_t steps = answers_of_a_polite_conversation(GetParam());
  EXPECT_EQ(steps, 2u + 2 * 5);
  for (const Misbehaviour& instead : misbehaviours()) {
    for (std::size_t step = 0; step < steps; ++step) {
      for (const bool bytewise : {false, true}) {
        if (bytewise && instead.bytes.size() > 100'000) continue;
        SCOPED_TRACE(std::string(instead.name) + " at answer " + std::to_string(step));
        Conversation talk;
        Runner(talk, {GetParam(), step, &instead, bytewise}).run();
        const Need need = talk.session.next().need;
        EXPECT_TRUE(need == Need::idle || need == Need::closed);
      }
    }
  }
}

// The client must not believe in a message that no server took.
TEST_P(HostileServer, is_never_believed_to_have_taken_what_it_refused_in_the_end) {
  const std::size_t end_of_data = 6;
  for (const Misbehaviour& instead : misbehaviours()) {
    if (instead.bytes.starts_with("250 ok\r\n")) continue;
    SCOPED_TRACE(instead.name);
    ClientSession session({"client.test", "mx.test[192.0.2.1]", false});
    PoliteServer server(GetParam() ? std::vector<std::string>{"PIPELINING"}
                                   : std::vector<std::string>{});
    const mail::Envelope envelope = two_recipients();
    const std::vector<std::uint32_t> indices{0, 1};
    std::size_t answers = 0;
    const auto deliver = [&](const std::string& bytes) {
      session.received(answers++ == end_of_data ? instead.bytes : bytes);
      if (answers == end_of_data + 1 && instead.then == Silence::end) session.lost();
      if (answers == end_of_data + 1 && instead.then == Silence::stall) session.timed_out();
    };
    deliver(server.greeting().bytes);
    for (int steps = 0; steps < 100; ++steps) {
      const Need need = session.next().need;
      if (need == Need::idle && session.results().empty()) {
        session.begin({&envelope, indices});
      } else if (need == Need::write) {
        const std::string output(session.output());
        session.written();
        for (const ServerAnswer& answer : server.feed(output)) deliver(answer.bytes);
      } else if (need == Need::content) {
        session.content_written();
        for (const ServerAnswer& answer : server.feed("x\r\n.\r\n")) deliver(answer.bytes);
      } else {
        break;
      }
    }
    ASSERT_EQ(session.results().size(), 2u);
    EXPECT_GT(answers, end_of_data);
    for (const ClientResult& result : session.results()) {
      EXPECT_NE(result.verdict, ClientVerdict::relayed);
      // Trying another host at once would make a duplicate likely.
      if (session.next().need == Need::closed) {
        EXPECT_EQ(result.verdict, ClientVerdict::deferred);
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Smtp, HostileServer, testing::Bool(), [](const auto& info) {
  return info.param ? "with_pipelining" : "without_pipelining";
});

}  // namespace
}  // namespace brevdue::smtp
