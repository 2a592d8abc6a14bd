#include <csignal>
#include <cstdio>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <sysexits.h>

#include "bench/load/load_options.h"
#include "bench/load/load_run.h"

int main(int argc, char** argv) {
  using namespace brevdue::load;
  const std::vector<std::string_view> arguments(argv + 1, argv + argc);
  bool help = false;
  auto options = parse_load_options(arguments, help);
  if (!options) {
    fmt::print(stderr, "brevdue-load: {}\n", options.error().context);
    return EX_USAGE;
  }
  if (help) {
    fmt::print("{}", load_help());
    return EX_OK;
  }
  raise_descriptor_limit();
  LoadRun run(*options);
  SignalWatch signals;
  if (auto opened = run.open(); !opened) {
    fmt::print(stderr, "brevdue-load: {}\n", describe(opened.error()));
    return EX_NOINPUT;
  }
  if (auto watched = signals.open(run.loop(), {SIGINT, SIGTERM}, [&run](int) { run.stop(); });
      !watched) {
    fmt::print(stderr, "brevdue-load: {}\n", describe(watched.error()));
    return EX_OSERR;
  }
  auto report = run.execute();
  if (!report) {
    fmt::print(stderr, "brevdue-load: {}\n", describe(report.error()));
    return EX_IOERR;
  }
  fmt::print(stderr, "{}", to_text(*report));
  if (options->json) fmt::print("{}\n", to_json(*report));
  if (report->gave_up) {
    fmt::print(stderr, "brevdue-load: no answer from {} for {} s: gave up\n", options->to,
               options->give_up.count());
    return EX_UNAVAILABLE;
  }
  return EX_OK;
}
