// The shell on real sockets: it must do what the pure session does, and what only it can do.
#include "smtp/server_connection.h"

#include <chrono>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "smtp/server_listener.h"
#include "tests/dialogs/dialog.h"
#include "tests/dialogs/dialog_runner.h"
#include "tests/dialogs/socket_transport.h"

namespace brevdue::smtp {

using dialogs::FakeReception;
using dialogs::SocketTransport;

// A server on a thread of its own. Everything but the constructor and port() happens there.
class RunningServer {
 public:
  explicit RunningServer(ListenerOptions limits = {}, bool deferred = false,
                         ServerDeadlines deadlines = {})
      : reception_(clock_, deferred) {
    options_.hostname = "mx.example.org";
    options_.mynetworks = *Networks::parse({"127.0.0.0/8"});
    options_.deadlines = deadlines;
    UniqueFd listening(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    sockaddr_in name{};
    name.sin_family = AF_INET;
    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof name;
    EXPECT_EQ(::bind(listening.get(), reinterpret_cast<sockaddr*>(&name), size), 0);
    EXPECT_EQ(::listen(listening.get(), 128), 0);
    EXPECT_EQ(::getsockname(listening.get(), reinterpret_cast<sockaddr*>(&name), &size), 0);
    port_ = ntohs(name.sin_port);
    io_ = std::make_unique<boost::asio::io_context>(1);
    listener_ = std::make_unique<ServerListener>(*io_, options_, limits, reception_, clock_);
    EXPECT_TRUE(listener_->listen(std::move(listening)).has_value());
    thread_ = std::thread([this] { io_->run(); });
  }

  ~RunningServer() {
    on_thread([this] {
      listener_->drain([] {});
      listener_->abort();
    });
    thread_.join();
    listener_.reset();
    io_.reset();
  }

  template <class Call>
  void on_thread(Call call) {
    boost::asio::post(*io_, std::move(call));
  }

  std::unique_ptr<SocketTransport> connect() {
    auto transport = SocketTransport::connect("127.0.0.1", port_, std::chrono::seconds(10));
    EXPECT_TRUE(transport.has_value());
    return std::move(*transport);
  }

  // What `query` says on the server's thread.
  template <class Query>
  auto ask(Query query) {
    std::promise<decltype(query())> answer;
    on_thread([&] { answer.set_value(query()); });
    return answer.get_future().get();
  }

  FakeReception& reception() { return reception_; }
  ServerListener& listener() { return *listener_; }

 private:
  SystemClock clock_;
  FakeReception reception_;
  ServerOptions options_;
  std::uint16_t port_ = 0;
  std::unique_ptr<boost::asio::io_context> io_;
  std::unique_ptr<ServerListener> listener_;
  std::thread thread_;
};

TEST(ServerConnectionTest, DialogsGoAsWrittenOverASocket) {
  RunningServer server;
  const auto all = dialogs::read_dialogs(BREVDUE_DIALOGS_PATH);
  ASSERT_TRUE(all.has_value());
  std::size_t count = 0;
  for (const dialogs::Dialog& dialog : *all) {
    if (dialog.needs_control()) continue;
    // Over a socket the server may greet before the client can talk too early.
    if (dialog.name == "smuggling_x08_before_greeting") continue;
    const auto transport = server.connect();
    for (const std::string& problem : dialogs::run(dialog, *transport)) ADD_FAILURE() << problem;
    ++count;
  }
  EXPECT_GT(count, 50u);
}

TEST(ServerConnectionTest, ASubmitThatIsAnsweredLaterIsWaitedFor) {
  RunningServer server({}, true);
  const auto client = server.connect();
  EXPECT_EQ(client->read_line(), "220 mx.example.org ESMTP Brevdue");
  client->send("HELO x\r\n");
  client->read_line();
  client->send("MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n");
  for (int i = 0; i < 3; ++i) client->read_line();
  client->send("text\r\n.\r\nQUIT\r\n");
  while (!server.ask([&] { return server.reception().answer(); })) {
    std::this_thread::yield();
  }
  EXPECT_TRUE(client->read_line()->starts_with("250 2.0.0 Ok: queued as "));
  EXPECT_EQ(client->read_line(), "221 2.0.0 Bye");
  EXPECT_TRUE(client->closed());
}

TEST(ServerConnectionTest, AClientThatVanishesWhileItsSubmitIsOpenLeavesNothing) {
  RunningServer server({}, true);
  {
    const auto client = server.connect();
    client->read_line();
    client->send("HELO x\r\n");
    client->read_line();
    client->send("MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n");
    for (int i = 0; i < 3; ++i) client->read_line();
    client->send("text\r\n.\r\n");
    while (server.ask([&] { return server.reception().messages().size(); }) == 0) {
      std::this_thread::yield();
    }
  }
  server.ask([&] { return server.reception().answer(); });
  while (server.ask([&] { return server.listener().sessions(); }) > 0) {
    std::this_thread::yield();
  }
  EXPECT_EQ(server.ask([&] { return server.reception().room().used(); }), 0u);
}

TEST(ServerConnectionTest, ASilentClientIsTimedOut) {
  RunningServer server({}, false, {.command = std::chrono::seconds(1)});
  const auto client = server.connect();
  EXPECT_EQ(client->read_line(), "220 mx.example.org ESMTP Brevdue");
  EXPECT_EQ(client->read_line(), "421 4.4.2 mx.example.org Error: timeout exceeded");
  EXPECT_TRUE(client->closed());
}

TEST(ServerConnectionTest, WaitsForRoomThenRefuses) {
  RunningServer server({}, false, {.room = std::chrono::seconds(1)});
  server.ask([&] {
    server.reception().room().set_capacity(0);
    return 0;
  });
  const auto client = server.connect();
  client->read_line();
  client->send("HELO x\r\n");
  client->read_line();
  client->send("MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n");
  client->read_line();
  client->read_line();
  EXPECT_EQ(client->read_line(), "452 4.3.1 Insufficient system storage");
  client->send("DATA\r\n");
  while (server.ask([&] { return server.reception().room().waiting(); }) == 0) {
    std::this_thread::yield();
  }
  server.ask([&] {
    server.reception().room().set_capacity(1 << 20);
    return 0;
  });
  EXPECT_TRUE(client->read_line()->starts_with("354 "));
}

TEST(ServerConnectionTest, ContentBeforeTheRoomIsThereCutsTheClientOff) {
  RunningServer server;
  server.ask([&] {
    server.reception().room().set_capacity(0);
    return 0;
  });
  const auto client = server.connect();
  client->read_line();
  client->send("HELO x\r\n");
  client->read_line();
  client->send("MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n");
  client->read_line();
  client->read_line();
  while (server.ask([&] { return server.reception().room().waiting(); }) == 0) {
    std::this_thread::yield();
  }
  client->send("too early\r\n.\r\n");
  server.ask([&] {
    server.reception().room().set_capacity(1 << 20);
    return 0;
  });
  EXPECT_EQ(client->read_line(), "554 5.5.0 Error: SMTP protocol synchronization");
  EXPECT_TRUE(client->closed());
}

TEST(ServerListenerTest, RefusesMoreSessionsThanItMayHave) {
  RunningServer server({.sessions_max = 2});
  const auto first = server.connect();
  const auto second = server.connect();
  first->read_line();
  second->read_line();
  const auto third = server.connect();
  EXPECT_EQ(third->read_line(), "421 4.3.2 mx.example.org All server ports are busy");
  EXPECT_TRUE(third->closed());
}

TEST(ServerListenerTest, RefusesMoreSessionsThanOneClientMayHave) {
  RunningServer server({.sessions_per_client_max = 1});
  auto first = server.connect();
  first->read_line();
  const auto second = server.connect();
  EXPECT_EQ(second->read_line(),
            "421 4.7.0 mx.example.org Error: too many connections from 127.0.0.1");
  first->send("QUIT\r\n");
  first->read_line();
  EXPECT_TRUE(first->closed());
  while (server.ask([&] { return server.listener().sessions(); }) > 0) {
    std::this_thread::yield();
  }
  EXPECT_TRUE(server.connect()->read_line()->starts_with("220 "));
}

TEST(ServerListenerTest, DrainsWithoutBreakingATransaction) {
  RunningServer server;
  const auto idle = server.connect();
  idle->read_line();
  const auto busy = server.connect();
  busy->read_line();
  busy->send("HELO x\r\n");
  busy->read_line();
  busy->send("MAIL FROM:<a@b>\r\n");
  busy->read_line();
  std::promise<void> drained;
  server.on_thread([&] { server.listener().drain([&] { drained.set_value(); }); });
  EXPECT_TRUE(idle->read_line()->starts_with("421 4.3.2 "));
  EXPECT_TRUE(idle->closed());
  busy->send("RCPT TO:<c@d>\r\nDATA\r\n");
  EXPECT_EQ(busy->read_line(), "250 2.1.5 Ok");
  EXPECT_TRUE(busy->read_line()->starts_with("354 "));
  busy->send("text\r\n.\r\n");
  EXPECT_TRUE(busy->read_line()->starts_with("250 2.0.0 Ok: queued as "));
  EXPECT_TRUE(busy->read_line()->starts_with("421 4.3.2 "));
  EXPECT_TRUE(busy->closed());
  busy->lose();
  idle->lose();
  drained.get_future().get();
}

TEST(ServerConnectionTest, LargeContentComesThroughWhole) {
  RunningServer server({}, false);
  const auto client = server.connect();
  client->read_line();
  client->send("HELO x\r\n");
  client->read_line();
  client->send("MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n");
  for (int i = 0; i < 3; ++i) client->read_line();
  std::string content;
  for (int i = 0; i < 100'000; ++i) content += fmt::format("line {} of a long message\r\n", i);
  client->send(content + ".\r\n");
  EXPECT_TRUE(client->read_line()->starts_with("250 "));
  const auto stored = server.ask([&] { return server.reception().messages().at(0).content; });
  EXPECT_TRUE(stored.ends_with(content));
}

}  // namespace brevdue::smtp
