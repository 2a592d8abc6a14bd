// brevdue-fake-dns: a DNS server for end-to-end scripts (tests/dns/fake_zone.h has the zone's
// form).
#include <cstdio>
#include <fstream>
#include <sstream>
#include <string>

#include <boost/asio/signal_set.hpp>
#include <fmt/format.h>

#include "tests/dns/fake_dns_server.h"

static constexpr const char* usage =
    "usage: brevdue-fake-dns [--listen ADDRESS:PORT] ZONEFILE\n"
    "\n"
    "Answers DNS questions over UDP and TCP from a zone file and prints the address it listens on\n"
    "(default 127.0.0.1:0, a free port). SIGHUP reads the file again, SIGTERM ends it.\n"
    "\n"
    "  example.com     MX    10 mx.example.com\n"
    "  mx.example.com  A     127.0.0.1\n"
    "  slow.example    !     delay 500   (or timeout, servfail, refused, wrong-id, "
    "wrong-question,\n"
    "                                     nonsense, cut, truncate, no-chase)\n";

using namespace brevdue;
using namespace brevdue::dns;

static Result<FakeZone> read_zone(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return fail(ErrorCode::not_found, path);
  std::ostringstream text;
  text << file.rdbuf();
  auto zone = FakeZone::parse(text.str());
  if (!zone) return propagate(std::move(zone.error()), path);
  return zone;
}

static void wait_for_signals(boost::asio::signal_set& signals, boost::asio::io_context& loop,
                             FakeDnsServer& server, const std::string& path) {
  signals.async_wait([&](boost::system::error_code error, int signal) {
    if (error || signal != SIGHUP) return loop.stop();
    if (auto zone = read_zone(path)) {
      server.set_zone(std::move(*zone));
    } else {
      fmt::print(stderr, "brevdue-fake-dns: the old zone stays: {}\n", describe(zone.error()));
    }
    wait_for_signals(signals, loop, server, path);
  });
}

int main(int argc, char** argv) {
  std::string listen = "127.0.0.1:0";
  std::string path;
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word == "--help") {
      std::fputs(usage, stdout);
      return 0;
    }
    if (word == "--listen" && i + 1 < argc) {
      listen = argv[++i];
    } else if (path.empty() && !word.starts_with("--")) {
      path = word;
    } else {
      path.clear();
      break;
    }
  }
  const auto colon = listen.rfind(':');
  if (path.empty() || colon == std::string::npos) {
    std::fputs(usage, stderr);
    return 64;
  }
  auto zone = read_zone(path);
  if (!zone) {
    fmt::print(stderr, "brevdue-fake-dns: {}\n", describe(zone.error()));
    return 65;
  }
  boost::asio::io_context loop;
  const auto port = static_cast<std::uint16_t>(std::stoul("0" + listen.substr(colon + 1)));
  auto server = FakeDnsServer::open(loop, std::move(*zone), listen.substr(0, colon), port);
  if (!server) {
    fmt::print(stderr, "brevdue-fake-dns: {}\n", describe(server.error()));
    return 71;
  }
  boost::asio::signal_set signals(loop, SIGTERM, SIGINT, SIGHUP);
  wait_for_signals(signals, loop, **server, path);
  fmt::print("{}\n", (*server)->address());
  std::fflush(stdout);
  loop.run();
  return 0;
}
