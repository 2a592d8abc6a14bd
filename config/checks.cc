#include "config/checks.h"

#include <algorithm>

#include <fmt/format.h>
#include <sys/un.h>

#include "config/address.h"

namespace brevdue::config {

static std::unexpected<Error> wrong(std::string_view text, std::string_view what) {
  return fail(ErrorCode::invalid_argument, fmt::format("'{}' {}", text, what));
}

static Result<void> without_value(Result<HostPort> parsed) {
  if (!parsed) return propagate(std::move(parsed.error()));
  return {};
}

Result<void> check_hostname_or_empty(std::string_view text) {
  if (text.empty() || is_host_name(text)) return {};
  return wrong(text, R"(is not a host name; write one such as "mx.example.org")");
}

Result<void> check_path(std::string_view text) {
  if (!text.starts_with('/')) return wrong(text, "is not an absolute path; begin it with '/'");
  if (text.find('\0') != std::string_view::npos || text.size() > 4000) {
    return wrong(text.substr(0, 40), "is not a valid path; write a shorter one without NUL");
  }
  return {};
}

Result<void> check_socket_path(std::string_view text) {
  constexpr std::size_t size_max = sizeof(sockaddr_un::sun_path) - 1;
  if (auto checked = check_path(text); !checked) return checked;
  if (text.size() > size_max) {
    return wrong(text, fmt::format("is too long for a socket; use {} bytes at most", size_max));
  }
  return {};
}

Result<void> check_user(std::string_view text) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  };
  if (!text.empty() && text.size() <= 32 && text.front() != '-' &&
      std::ranges::all_of(text, allowed)) {
    return {};
  }
  return wrong(text, "is not a user name; use a-z, 0-9, '_' and '-', 32 characters at most");
}

Result<void> check_relay_host(std::string_view text) {
  if (text.empty()) return {};
  auto parsed = parse_host_port(text, 25);
  if (parsed && parsed->port == 0) return wrong(text, "has port 0; write 1 to 65535");
  return without_value(std::move(parsed));
}

Result<void> check_dns_server(std::string_view text) {
  auto parsed = parse_socket_address(text, 53);
  if (parsed && parsed->port == 0) return wrong(text, "has port 0; write 1 to 65535");
  return without_value(std::move(parsed));
}

Result<void> check_log_target(std::string_view text) {
  if (text == "stderr" || text == "syslog") return {};
  if (text.starts_with('/')) return check_path(text);
  return wrong(text, R"(is no log target; write "stderr", "syslog" or an absolute path)");
}

Result<void> check_log_ident(std::string_view text) {
  const auto allowed = [](char c) {
    return c > ' ' && c < 0x7f && std::string_view("[]:/").find(c) == std::string_view::npos;
  };
  if (!text.empty() && text.size() <= 32 && std::ranges::all_of(text, allowed)) return {};
  return wrong(text, "is no log identity; use up to 32 letters and digits, as in \"brevdue\"");
}

Result<void> check_listen_address(std::string_view text) {
  return without_value(parse_socket_address(text));
}

}  // namespace brevdue::config
