// Runs the dialogs of tests/dialogs against a real server: those that need no control over it.
#include <cstdio>
#include <cstdlib>
#include <set>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "tests/dialogs/dialog_runner.h"
#include "tests/dialogs/socket_transport.h"

using namespace brevdue::dialogs;

static constexpr const char* usage =
    "usage: brevdue-dialogs HOST PORT [EXCEPT...]\n"
    "\n"
    "Runs every dialog that asks for no settings, faults or time, but those named, against the\n"
    "server. Prints the name of each and, indented, where the server did not do as written; exits\n"
    "1 if there is such a place. The server calls itself mx.example.org.\n";

static bool run_one(const Dialog& dialog, const std::string& host, std::uint16_t port) {
  fmt::print("{}\n", dialog.name);
  auto transport = SocketTransport::connect(host, port, std::chrono::seconds(20));
  if (!transport) {
    fmt::print("  {}\n", brevdue::describe(transport.error()));
    return false;
  }
  const std::vector<std::string> problems = run(dialog, **transport);
  for (const std::string& problem : problems) fmt::print("  {}\n", problem);
  return problems.empty();
}

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fputs(usage, stderr);
    return 64;
  }
  const auto port = static_cast<std::uint16_t>(std::strtoul(argv[2], nullptr, 10));
  const std::set<std::string> except(argv + 3, argv + argc);
  const auto dialogs = read_dialogs(BREVDUE_DIALOGS_PATH);
  if (!dialogs) {
    fmt::print(stderr, "brevdue-dialogs: {}\n", brevdue::describe(dialogs.error()));
    return 66;
  }
  bool good = true;
  for (const Dialog& dialog : *dialogs) {
    if (dialog.needs_control() || except.contains(dialog.name)) continue;
    good = run_one(dialog, argv[1], port) && good;
  }
  return good ? 0 : 1;
}
