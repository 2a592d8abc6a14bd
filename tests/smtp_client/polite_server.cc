#include "tests/smtp_client/polite_server.h"

#include <utility>

namespace brevdue::tests {

PoliteServer::PoliteServer(std::vector<std::string> extensions, Override override)
    : extensions_(std::move(extensions)), override_(std::move(override)) {}

ServerAnswer PoliteServer::greeting() {
  return answer("CONNECT");
}

std::vector<ServerAnswer> PoliteServer::feed(std::string_view bytes) {
  input_.append(bytes);
  std::vector<ServerAnswer> answers;
  while (auto one = in_content_ ? take_content() : take_line()) answers.push_back(std::move(*one));
  return answers;
}

std::optional<ServerAnswer> PoliteServer::take_line() {
  const std::size_t end = input_.find("\r\n");
  if (end == std::string::npos) return std::nullopt;
  const std::string line = input_.substr(0, end);
  input_.erase(0, end + 2);
  lines_.push_back(line);
  return answer(line);
}

std::optional<ServerAnswer> PoliteServer::take_content() {
  std::size_t size = 0;
  if (input_.starts_with(".\r\n")) {
    size = 3;
  } else {
    const std::size_t end = input_.find("\r\n.\r\n");
    if (end == std::string::npos) return std::nullopt;
    size = end + 5;
  }
  current_.wire = input_.substr(0, size);
  input_.erase(0, size);
  in_content_ = false;
  ServerAnswer given = answer(".");
  if (given.bytes.starts_with("250")) messages_.push_back(current_);
  current_ = {};
  return given;
}

ServerAnswer PoliteServer::answer(const std::string& line) {
  std::optional<ServerAnswer> told = override_ ? override_(line) : std::nullopt;
  ServerAnswer given = told ? std::move(*told) : answer_politely(line);
  if (line == "DATA" && given.bytes.starts_with("354")) in_content_ = true;
  if (line.starts_with("MAIL") && given.bytes.starts_with("250")) current_.mail = line;
  if (line.starts_with("RCPT") && given.bytes.starts_with("250")) {
    current_.recipients.push_back(line);
  }
  if (line == "RSET") current_ = {};
  return given;
}

ServerAnswer PoliteServer::answer_politely(const std::string& line) {
  if (line == "CONNECT") return {"220 mx.test ESMTP\r\n"};
  if (line == ".") return {"250 2.0.0 Ok: queued as 1234\r\n"};
  if (line.starts_with("EHLO ")) {
    std::string reply = "250-mx.test\r\n";
    for (const std::string& extension : extensions_) reply += "250-" + extension + "\r\n";
    return {reply + "250 HELP\r\n"};
  }
  if (line.starts_with("MAIL FROM:<")) return {"250 2.1.0 Ok\r\n"};
  if (line.starts_with("RCPT TO:<")) {
    if (current_.mail.empty()) return {"503 5.5.1 Need MAIL\r\n"};
    return {"250 2.1.5 Ok\r\n"};
  }
  if (line == "DATA") {
    if (current_.recipients.empty()) return {"554 5.5.1 No valid recipients\r\n"};
    return {"354 End data with <CR><LF>.<CR><LF>\r\n"};
  }
  if (line == "QUIT") return {"221 2.0.0 Bye\r\n", true};
  if (line == "RSET" || line.starts_with("HELO ")) return {"250 2.0.0 Ok\r\n"};
  return {"500 5.5.2 Unknown command\r\n"};
}

}  // namespace brevdue::tests
