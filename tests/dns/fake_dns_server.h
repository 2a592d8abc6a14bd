// Serves a FakeZone on one port of a loopback address, UDP and TCP, on the caller's loop.
//
// Loop thread only. `port` 0 takes a free one (the same for both). The server must not be destroyed
// while handlers of its loop may still run.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/udp.hpp>

#include "core/error.h"
#include "tests/dns/fake_zone.h"

namespace brevdue::dns {

class FakeDnsServer {
 public:
  static Result<std::unique_ptr<FakeDnsServer>> open(boost::asio::io_context& loop, FakeZone zone,
                                                     const std::string& address = "127.0.0.1",
                                                     std::uint16_t port = 0);

  // "127.0.0.1:40123", as the resolver takes it.
  std::string address() const;
  void set_zone(FakeZone zone) { zone_ = std::move(zone); }
  // How often a name was asked for, whatever the type, and over TCP alone.
  unsigned asked(const std::string& name) const;
  unsigned asked_by_tcp() const { return tcp_questions_; }
  unsigned questions() const { return questions_; }

 private:
  struct Connection;

  FakeDnsServer(boost::asio::io_context& loop, FakeZone zone);
  void receive();
  void accept();
  void read(std::shared_ptr<Connection> connection);
  FakeZone::Reply reply_to(std::string_view question, bool tcp);
  template <class Action>
  void after(std::chrono::milliseconds delay, Action action);

  boost::asio::io_context& loop_;
  FakeZone zone_;
  boost::asio::ip::udp::socket udp_;
  boost::asio::ip::tcp::acceptor tcp_;
  boost::asio::ip::udp::endpoint sender_;
  std::array<char, 4096> datagram_;
  std::map<std::string, unsigned> asked_;
  unsigned tcp_questions_ = 0;
  unsigned questions_ = 0;
};

}  // namespace brevdue::dns
