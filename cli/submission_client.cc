#include "cli/submission_client.h"

#include <cerrno>
#include <cstring>
#include <numeric>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "config/address.h"
#include "smtp/client_content_writer.h"

namespace brevdue::cli {

namespace {
constexpr timeval patience{300, 0};  // RFC 5321 4.5.3.2

Result<void> write_all(int socket, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return fail_os(errno, "send to the listener");
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  return {};
}

Result<void> write_content(int socket, std::string_view content) {
  smtp::ClientContentWriter writer;
  smtp::ClientContentWriter::Pieces pieces;
  if (!writer.add(content, pieces) || !writer.finish(pieces)) {
    return fail(ErrorCode::invalid_argument, "the message holds a bare CR, a bare LF or a NUL");
  }
  std::string whole;
  for (const std::string_view piece : pieces) whole += piece;
  return write_all(socket, whole);
}

void read_some(int socket, smtp::ClientSession& session) {
  char buffer[4096];
  const ssize_t n = ::recv(socket, buffer, sizeof buffer, 0);
  if (n < 0 && errno == EINTR) return;
  if (n < 0 && errno == EAGAIN) return session.timed_out();
  if (n <= 0) return session.lost();
  session.received(std::string_view(buffer, static_cast<std::size_t>(n)));
}
}  // namespace

Result<UniqueFd> connect_to_listener(const std::string& address) {
  auto endpoint = config::parse_socket_address(address);
  if (!endpoint) return propagate(std::move(endpoint.error()));
  std::string host = endpoint->host;
  if (host == "0.0.0.0") host = "127.0.0.1";
  if (host == "::") host = "::1";
  sockaddr_in v4{};
  sockaddr_in6 v6{};
  const sockaddr* generic = nullptr;
  socklen_t size = 0;
  if (::inet_pton(AF_INET, host.c_str(), &v4.sin_addr) == 1) {
    v4.sin_family = AF_INET;
    v4.sin_port = htons(endpoint->port);
    generic = reinterpret_cast<const sockaddr*>(&v4);
    size = sizeof v4;
  } else if (::inet_pton(AF_INET6, host.c_str(), &v6.sin6_addr) == 1) {
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(endpoint->port);
    generic = reinterpret_cast<const sockaddr*>(&v6);
    size = sizeof v6;
  } else {
    return fail(ErrorCode::invalid_argument, "listener " + address);
  }
  UniqueFd socket(::socket(generic->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket) return fail_os(errno, "socket");
  ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  if (::connect(socket.get(), generic, size) != 0) return fail_os(errno, "connect to " + address);
  return socket;
}

Result<std::vector<smtp::ClientResult>> submit_message(UniqueFd socket, const std::string& hostname,
                                                       const mail::Envelope& envelope,
                                                       std::string_view content) {
  smtp::ClientSession session({hostname, "the local listener", false});
  std::vector<std::uint32_t> recipients(envelope.recipients.size());
  std::iota(recipients.begin(), recipients.end(), 0u);
  const smtp::ClientTransaction transaction{&envelope, recipients};
  std::vector<smtp::ClientResult> results;
  bool begun = false;
  while (true) {
    switch (session.next().need) {
      case smtp::ClientSession::Need::write:
        if (auto done = write_all(socket.get(), session.output()); !done)
          session.lost();
        else
          session.written();
        break;
      case smtp::ClientSession::Need::content:
        if (auto done = write_content(socket.get(), content); !done) {
          if (done.error().code == ErrorCode::invalid_argument)
            return propagate(std::move(done.error()));
          session.lost();
        } else {
          session.content_written();
        }
        break;
      case smtp::ClientSession::Need::read:
        read_some(socket.get(), session);
        break;
      case smtp::ClientSession::Need::idle:
        if (!begun) {
          session.begin(transaction);
          begun = true;
        } else {
          results = std::move(session.results());
          session.quit();
        }
        break;
      case smtp::ClientSession::Need::closed:
        if (!results.empty()) return results;
        if (!session.results().empty()) return std::move(session.results());
        if (session.refusal()) return std::vector(recipients.size(), *session.refusal());
        return fail(ErrorCode::unavailable, "the listener closed the connection");
    }
  }
}

}  // namespace brevdue::cli
