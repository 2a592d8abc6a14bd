// Runs a ClientSession on a TCP connection: writes groups of commands with one call, content by
// gathering writes from where it lies (memory, or a file read in blocks of 64 KiB), and keeps the
// deadlines.
//
// Loop thread only. The coroutines use `this` and their arguments until they return; one runs at a
// time. Results are in session(). A peer that misbehaves costs the connection, never more.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>

#include "smtp/client_content_writer.h"
#include "smtp/client_deadline.h"
#include "smtp/client_session.h"

namespace brevdue::smtp {

// Content at rest, and what it must be: either all of it in `bytes`, or in `file` from `offset`.
struct ClientContent {
  std::string_view bytes;
  int file = -1;
  std::uint64_t offset = 0;
  std::uint64_t size = 0;
  std::uint32_t crc32c = 0;
};

class ClientConnection {
 public:
  ClientConnection(boost::asio::ip::tcp::socket socket, ClientOptions options,
                   const ClientDeadlines& deadlines);
  ClientConnection(const ClientConnection&) = delete;
  ClientConnection& operator=(const ClientConnection&) = delete;

  // Greeting and EHLO or HELO. False: session().refusal() says why.
  boost::asio::awaitable<bool> open();

  // One transaction. The content is checked against size and CRC before its final dot; what does
  // not match is never delivered: the connection is dropped, and content_fault() says why.
  boost::asio::awaitable<void> relay(const ClientTransaction& transaction,
                                     const ClientContent& content);
  boost::asio::awaitable<void> quit();

  // Idle, and the server has neither closed nor spoken in the meantime.
  bool usable();
  // Ends what is under way as if the connection was lost.
  void abort();

  enum class ContentFault : std::uint8_t { none, unreadable, damaged, unfit };
  ContentFault content_fault() const { return content_fault_; }
  ClientSession& session() { return session_; }

 private:
  boost::asio::awaitable<void> run(const ClientContent* content);
  boost::asio::awaitable<bool> write(ClientContentWriter::Pieces& pieces, ClientPhase phase);
  boost::asio::awaitable<void> read(ClientPhase phase);
  boost::asio::awaitable<void> write_content(const ClientContent& content);
  bool finish_content(const ClientContent& content, ClientContentWriter& writer);
  void give_up(ContentFault fault);
  void read_what_is_there();

  boost::asio::ip::tcp::socket socket_;
  ClientDeadlines deadlines_;
  ClientDeadline deadline_;
  ClientSession session_;
  std::uint64_t armed_for_ = ~std::uint64_t{0};  // ClientSession::progress()
  ContentFault content_fault_ = ContentFault::none;
  ClientContentWriter::Pieces pieces_;
  std::vector<char> block_;  // of a file; empty until one is relayed
  std::array<char, 4096> input_;
};

}  // namespace brevdue::smtp
