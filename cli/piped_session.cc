#include "cli/piped_session.h"

#include <cerrno>
#include <cstdio>
#include <iostream>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <strings.h>
#include <sys/socket.h>
#include <sysexits.h>

namespace brevdue::cli {

namespace {
class PipedSession {
 public:
  explicit PipedSession(UniqueFd server) : server_(std::move(server)) {}

  bool say(std::string line) {
    line += "\r\n";
    for (std::string_view rest = line; !rest.empty();) {
      const ssize_t n = ::send(server_.get(), rest.data(), rest.size(), MSG_NOSIGNAL);
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) return false;
      rest.remove_prefix(static_cast<std::size_t>(n));
    }
    return true;
  }

  // Copies a reply, all lines of it, to standard output; its code.
  std::optional<std::string> reply() {
    while (true) {
      const std::size_t end = heard_.find('\n');
      if (end == std::string::npos) {
        if (!hear()) return std::nullopt;
        continue;
      }
      const std::string line = heard_.substr(0, end + 1);
      heard_.erase(0, end + 1);
      std::fwrite(line.data(), 1, line.size(), stdout);
      if (line.size() > 3 && line[3] == '-') continue;
      std::fflush(stdout);
      return line.substr(0, 3);
    }
  }

 private:
  bool hear() {
    char buffer[4096];
    ssize_t n = 0;
    do {
      n = ::recv(server_.get(), buffer, sizeof buffer, 0);
    } while (n < 0 && errno == EINTR);
    if (n <= 0) return false;
    heard_.append(buffer, static_cast<std::size_t>(n));
    return true;
  }

  UniqueFd server_;
  std::string heard_;
};

bool is_command(std::string_view line, std::string_view name) {
  const std::string_view word = line.substr(0, line.find_first_of(" \t"));
  return word.size() == name.size() && ::strncasecmp(word.data(), name.data(), name.size()) == 0;
}
}  // namespace

int run_piped_session(UniqueFd server) {
  PipedSession session(std::move(server));
  if (!session.reply()) return EX_TEMPFAIL;
  bool in_content = false;
  for (std::string line; std::getline(std::cin, line);) {
    if (line.ends_with('\r')) line.pop_back();
    if (!session.say(line)) return EX_TEMPFAIL;
    if (in_content && line != ".") continue;
    const auto code = session.reply();
    if (is_command(line, "QUIT") && !in_content) return code ? 0 : EX_TEMPFAIL;
    if (!code) return EX_TEMPFAIL;
    in_content = !in_content && is_command(line, "DATA") && *code == "354";
  }
  return 0;
}

}  // namespace brevdue::cli
