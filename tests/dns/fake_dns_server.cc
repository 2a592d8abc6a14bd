#include "tests/dns/fake_dns_server.h"

#include <boost/asio/buffer.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <fmt/format.h>

namespace brevdue::dns {

namespace asio = boost::asio;
using asio::ip::tcp;
using asio::ip::udp;
using boost::system::error_code;

struct FakeDnsServer::Connection {
  explicit Connection(tcp::socket from) : socket(std::move(from)) {}
  tcp::socket socket;
  std::array<char, 2> length{};
  std::string question;
  std::string reply;
};

FakeDnsServer::FakeDnsServer(asio::io_context& loop, FakeZone zone)
    : loop_(loop), zone_(std::move(zone)), udp_(loop), tcp_(loop) {}

Result<std::unique_ptr<FakeDnsServer>> FakeDnsServer::open(asio::io_context& loop, FakeZone zone,
                                                           const std::string& address,
                                                           std::uint16_t port) {
  std::unique_ptr<FakeDnsServer> server(new FakeDnsServer(loop, std::move(zone)));
  error_code error;
  const auto ip = asio::ip::make_address(address, error);
  if (error) return fail(ErrorCode::invalid_argument, address);
  // A port that is free for TCP may be taken for UDP: then the next one.
  for (int attempt = 0; attempt < 20; ++attempt) {
    const tcp::endpoint at(ip, port);
    server->tcp_.open(at.protocol(), error);
    if (!error) server->tcp_.set_option(tcp::acceptor::reuse_address(true), error);
    if (!error) server->tcp_.bind(at, error);
    if (!error) server->tcp_.listen(16, error);
    if (error) return fail_os(error.value(), fmt::format("{}:{}", address, port));
    const udp::endpoint same(ip, server->tcp_.local_endpoint().port());
    server->udp_.open(same.protocol(), error);
    if (!error) server->udp_.bind(same, error);
    if (!error) {
      server->receive();
      server->accept();
      return server;
    }
    server->udp_.close();
    server->tcp_.close();
    if (port != 0) break;
  }
  return fail_os(error.value(), fmt::format("{}:{}", address, port));
}

std::string FakeDnsServer::address() const {
  const auto local = udp_.local_endpoint();
  const std::string ip = local.address().to_string();
  return local.address().is_v6() ? fmt::format("[{}]:{}", ip, local.port())
                                 : fmt::format("{}:{}", ip, local.port());
}

unsigned FakeDnsServer::asked(const std::string& name) const {
  const auto at = asked_.find(name);
  return at == asked_.end() ? 0 : at->second;
}

FakeZone::Reply FakeDnsServer::reply_to(std::string_view question, bool tcp) {
  std::string name;
  std::uint16_t type = 0;
  if (FakeZone::read_question(question, name, type)) ++asked_[name];
  ++questions_;
  if (tcp) ++tcp_questions_;
  return zone_.answer(question, tcp);
}

template <class Action>
void FakeDnsServer::after(std::chrono::milliseconds delay, Action action) {
  auto timer = std::make_shared<asio::steady_timer>(loop_, delay);
  timer->async_wait([timer, action](error_code error) {
    if (!error) action();
  });
}

void FakeDnsServer::receive() {
  udp_.async_receive_from(asio::buffer(datagram_), sender_,
                          [this](error_code error, std::size_t size) {
                            if (error == asio::error::operation_aborted) return;
                            if (!error) {
                              auto reply = std::make_shared<FakeZone::Reply>(
                                  reply_to(std::string_view(datagram_.data(), size), false));
                              const auto send = [this, reply, to = sender_] {
                                error_code ignored;
                                udp_.send_to(asio::buffer(reply->bytes), to, 0, ignored);
                              };
                              if (!reply->bytes.empty()) {
                                if (reply->delay.count() > 0) {
                                  after(reply->delay, send);
                                } else {
                                  send();
                                }
                              }
                            }
                            receive();
                          });
}

void FakeDnsServer::accept() {
  tcp_.async_accept([this](error_code error, tcp::socket socket) {
    if (error == asio::error::operation_aborted) return;
    if (!error) read(std::make_shared<Connection>(std::move(socket)));
    accept();
  });
}

void FakeDnsServer::read(std::shared_ptr<Connection> connection) {
  asio::async_read(
      connection->socket, asio::buffer(connection->length),
      [this, connection](error_code no_length, std::size_t) {
        if (no_length) return;
        connection->question.resize(
            static_cast<std::size_t>(static_cast<unsigned char>(connection->length[0])) << 8 |
            static_cast<unsigned char>(connection->length[1]));
        asio::async_read(connection->socket, asio::buffer(connection->question),
                         [this, connection](error_code no_question, std::size_t) {
                           if (no_question) return;
                           const auto reply = reply_to(connection->question, true);
                           if (reply.bytes.empty()) return read(connection);
                           after(reply.delay, [this, connection, bytes = reply.bytes] {
                             connection->reply.clear();
                             connection->reply += static_cast<char>(bytes.size() >> 8);
                             connection->reply += static_cast<char>(bytes.size() & 0xff);
                             connection->reply += bytes;
                             asio::async_write(connection->socket, asio::buffer(connection->reply),
                                               [this, connection](error_code failed, std::size_t) {
                                                 if (!failed) read(connection);
                                               });
                           });
                         });
      });
}

}  // namespace brevdue::dns
