#include "smtp/client_connection.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

namespace brevdue::smtp {

namespace asio = boost::asio;
using asio::ip::tcp;

namespace {
constexpr std::size_t block_bytes = std::size_t{64} * 1024;
constexpr std::size_t pieces_per_call = 256;
constexpr auto token = asio::as_tuple(asio::use_awaitable);

// Writes what the socket takes at once. Pieces written are taken off from `first` on; -1 and errno
// as sendmsg(2).
ssize_t send_some(int fd, ClientContentWriter::Pieces& pieces, std::size_t& first) {
  std::array<iovec, pieces_per_call> parts;
  const std::size_t count = std::min(pieces.size() - first, parts.size());
  for (std::size_t i = 0; i < count; ++i) {
    const std::string_view piece = pieces[first + i];
    parts[i] = {const_cast<char*>(piece.data()), piece.size()};
  }
  msghdr message{};
  message.msg_iov = parts.data();
  message.msg_iovlen = count;
  const ssize_t sent = ::sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
  if (sent < 0) return sent;
  auto left = static_cast<std::size_t>(sent);
  while (first < pieces.size() && left >= pieces[first].size()) left -= pieces[first++].size();
  if (left > 0) pieces[first].remove_prefix(left);
  return sent;
}
}  // namespace

ClientConnection::ClientConnection(tcp::socket socket, ClientOptions options,
                                   const ClientDeadlines& deadlines)
    : socket_(std::move(socket)),
      deadlines_(deadlines),
      deadline_(socket_),
      session_(std::move(options)) {
  // Writing is by sendmsg and must never block.
  boost::system::error_code ignored;
  socket_.non_blocking(true, ignored);
}

asio::awaitable<bool> ClientConnection::open() {
  co_await run(nullptr);
  co_return !session_.refusal();
}

asio::awaitable<void> ClientConnection::relay(const ClientTransaction& transaction,
                                              const ClientContent& content) {
  content_fault_ = ContentFault::none;
  session_.begin(transaction);
  co_await run(&content);
}

asio::awaitable<void> ClientConnection::quit() {
  if (usable()) {
    session_.quit();
    co_await run(nullptr);
  }
  abort();
}

asio::awaitable<void> ClientConnection::run(const ClientContent* content) {
  for (;;) {
    const ClientSession::Step step = session_.next();
    switch (step.need) {
      case ClientSession::Need::write:
        pieces_.assign(1, session_.output());
        // A server that stops listening may still have said why.
        if (co_await write(pieces_, step.phase)) {
          session_.written();
        } else {
          session_.written();
          read_what_is_there();
          session_.lost();
        }
        break;
      case ClientSession::Need::content:
        BREVDUE_ASSERT(content != nullptr);
        co_await write_content(*content);
        break;
      case ClientSession::Need::read:
        co_await read(step.phase);
        break;
      case ClientSession::Need::idle:
        deadline_.disarm();
        co_return;
      case ClientSession::Need::closed:
        abort();
        co_return;
    }
  }
}

asio::awaitable<void> ClientConnection::read(ClientPhase phase) {
  if (armed_for_ != session_.progress()) deadline_.arm(deadlines_.of(phase));
  armed_for_ = session_.progress();
  const auto [error, size] = co_await socket_.async_read_some(asio::buffer(input_), token);
  if (!error) {
    session_.received({input_.data(), size});
  } else if (deadline_.expired()) {
    session_.timed_out();
  } else {
    session_.lost();
  }
}

void ClientConnection::read_what_is_there() {
  for (int round = 0; round < 8 && session_.next().need != ClientSession::Need::closed; ++round) {
    const ssize_t size =
        ::recv(socket_.native_handle(), input_.data(), input_.size(), MSG_DONTWAIT);
    if (size <= 0) return;
    session_.received({input_.data(), static_cast<std::size_t>(size)});
    session_.written();
  }
}

// False if the connection is gone or the deadline passed; the session knows of the latter.
asio::awaitable<bool> ClientConnection::write(ClientContentWriter::Pieces& pieces,
                                              ClientPhase phase) {
  std::size_t first = 0;
  bool armed = false;
  while (first < pieces.size()) {
    if (send_some(socket_.native_handle(), pieces, first) >= 0 || errno == EINTR) continue;
    if (errno != EAGAIN) co_return false;
    if (!armed) deadline_.arm(deadlines_.of(phase));
    armed = true;
    const auto [error] = co_await socket_.async_wait(tcp::socket::wait_write, token);
    if (!error) continue;
    if (deadline_.expired()) session_.timed_out();
    co_return false;
  }
  co_return true;
}

asio::awaitable<void> ClientConnection::write_content(const ClientContent& content) {
  ClientContentWriter writer;
  std::uint64_t done = 0;
  for (;;) {
    pieces_.clear();
    std::string_view block = content.bytes;
    if (content.file >= 0) {
      block_.resize(block_bytes);
      const std::size_t wanted = std::min<std::uint64_t>(block_bytes, content.size - done);
      const ssize_t size = wanted == 0 ? 0
                                       : ::pread(content.file, block_.data(), wanted,
                                                 static_cast<off_t>(content.offset + done));
      if (size < 0 && errno == EINTR) continue;
      if (size < 0) co_return give_up(ContentFault::unreadable);
      block = {block_.data(), static_cast<std::size_t>(size)};
    }
    done += block.size();
    const bool last = content.file < 0 || block.empty() || done == content.size;
    if (!writer.add(block, pieces_)) {
      // Bytes that are not what was accepted are damage, whatever they look like.
      co_return give_up(last && done == content.size && writer.crc32c() == content.crc32c
                            ? ContentFault::unfit
                            : ContentFault::damaged);
    }
    if (last && !finish_content(content, writer)) co_return;
    if (!co_await write(pieces_, ClientPhase::content)) {
      session_.content_interrupted();
      read_what_is_there();
      co_return session_.lost();
    }
    if (last) co_return session_.content_written();
  }
}

// Checks the whole of the content and appends the final dot.
bool ClientConnection::finish_content(const ClientContent& content, ClientContentWriter& writer) {
  if (writer.size() != content.size || writer.crc32c() != content.crc32c) {
    give_up(ContentFault::damaged);
    return false;
  }
  if (!writer.finish(pieces_)) {
    give_up(ContentFault::unfit);
    return false;
  }
  return true;
}

void ClientConnection::give_up(ContentFault fault) {
  content_fault_ = fault;
  if (fault == ContentFault::unfit) {
    session_.abandon(ClientVerdict::failed, "5.6.0", "content holds a bare CR, a bare LF or a NUL");
  } else if (fault == ContentFault::unreadable) {
    session_.abandon(ClientVerdict::deferred, "4.3.0", "content cannot be read");
  } else {
    session_.abandon(ClientVerdict::deferred, "4.3.0", "content does not match its checksum");
  }
}

bool ClientConnection::usable() {
  if (session_.next().need != ClientSession::Need::idle) return false;
  char byte = 0;
  const ssize_t size = ::recv(socket_.native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return size < 0 && (errno == EAGAIN || errno == EINTR);
}

void ClientConnection::abort() {
  deadline_.disarm();
  boost::system::error_code ignored;
  socket_.close(ignored);
}

}  // namespace brevdue::smtp
