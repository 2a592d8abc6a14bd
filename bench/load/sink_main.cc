#include <csignal>
#include <cstdio>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <sysexits.h>

#include "bench/load/sink_options.h"
#include "bench/load/sink_server.h"

int main(int argc, char** argv) {
  using namespace brevdue::load;
  const std::vector<std::string_view> arguments(argv + 1, argv + argc);
  bool help = false;
  auto options = parse_sink_options(arguments, help);
  if (!options) {
    fmt::print(stderr, "brevdue-sink: {}\n", options.error().context);
    return EX_USAGE;
  }
  if (help) {
    fmt::print("{}", sink_help());
    return EX_OK;
  }
  raise_descriptor_limit();
  SinkServer server(*options);
  SignalWatch signals;
  if (auto opened = server.open(); !opened) {
    fmt::print(stderr, "brevdue-sink: {}\n", describe(opened.error()));
    return EX_UNAVAILABLE;
  }
  const auto on_signal = [&server](int signal) {
    if (signal == SIGUSR1) {
      fmt::print(stderr, "{}\n", to_json(server.counters()));
    } else {
      server.loop().stop();
    }
  };
  if (auto watched = signals.open(server.loop(), {SIGINT, SIGTERM, SIGUSR1}, on_signal); !watched) {
    fmt::print(stderr, "brevdue-sink: {}\n", describe(watched.error()));
    return EX_OSERR;
  }
  fmt::print("listening on {}\n", server.address().text());
  std::fflush(stdout);
  const auto ran = server.run();
  if (!ran) fmt::print(stderr, "brevdue-sink: {}\n", describe(ran.error()));
  fmt::print("{}\n", to_json(server.counters()));
  return ran ? EX_OK : EX_IOERR;
}
