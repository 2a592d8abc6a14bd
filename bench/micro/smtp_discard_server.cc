// The whole SMTP server on a socket, with a queue that takes everything and keeps nothing: run it
// beside smtp-sink. Prints its port; at SIGTERM, what it took and what that cost.
//
//   smtp_discard_server [PORT]
#include <csignal>
#include <cstdlib>

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "bench/micro/discard_reception.h"
#include "smtp/server_listener.h"

using namespace brevdue;

static double seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

static UniqueFd listen_on(std::uint16_t port, std::uint16_t& bound) {
  UniqueFd listening(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const int on = 1;
  ::setsockopt(listening.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_port = htons(port);
  name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof name;
  if (::bind(listening.get(), reinterpret_cast<sockaddr*>(&name), size) != 0 ||
      ::listen(listening.get(), 512) != 0 ||
      ::getsockname(listening.get(), reinterpret_cast<sockaddr*>(&name), &size) != 0) {
    return {};
  }
  bound = ntohs(name.sin_port);
  return listening;
}

int main(int argc, char** argv) {
  const SystemClock clock;
  bench::DiscardReception reception(clock);
  smtp::ServerOptions options;
  options.hostname = "discard.example.org";
  options.mynetworks = *smtp::Networks::parse({"127.0.0.0/8"});
  std::uint16_t port = argc > 1 ? static_cast<std::uint16_t>(std::atoi(argv[1])) : 0;
  UniqueFd listening = listen_on(port, port);
  if (!listening) {
    fmt::print(stderr, "cannot listen on port {}\n", port);
    return 69;
  }
  boost::asio::io_context io(1);
  smtp::ServerListener listener(
      io, options, {.sessions_max = 5000, .sessions_per_client_max = 5000}, reception, clock);
  if (const auto started = listener.listen(std::move(listening)); !started) {
    fmt::print(stderr, "{}\n", describe(started.error()));
    return 71;
  }
  boost::asio::signal_set signals(io, SIGTERM, SIGINT);
  signals.async_wait([&](const boost::system::error_code&, int) { io.stop(); });
  fmt::print("listening on 127.0.0.1:{}\n", port);
  std::fflush(stdout);
  io.run();
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  const double user = seconds(used.ru_utime);
  const double system = seconds(used.ru_stime);
  fmt::print("{} messages, {} bytes; {:.2f} s user, {:.2f} s system, {:.1f} us a message\n",
             reception.messages(), reception.bytes(), user, system,
             (user + system) * 1e6 /
                 static_cast<double>(std::max<std::uint64_t>(reception.messages(), 1)));
  return 0;
}
