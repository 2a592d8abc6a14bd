// A server without a socket that answers as it should, unless a test tells it what to answer to a
// command. Commands may come in groups. What it accepted is in messages().
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace brevdue::tests {

struct ServerAnswer {
  std::string bytes;
  bool close = false;  // after the bytes
};

struct AcceptedMessage {
  std::string mail;                     // the line of MAIL
  std::vector<std::string> recipients;  // the lines of the accepted RCPTs
  std::string wire;                     // what came after 354, with the final dot
};

class PoliteServer {
 public:
  // What to answer to a line ("CONNECT" for the greeting, "." for the end of data) in place of the
  // polite answer; nothing for that.
  using Override = std::function<std::optional<ServerAnswer>(const std::string& line)>;

  // `extensions` are EHLO keywords.
  explicit PoliteServer(std::vector<std::string> extensions, Override override = {});

  ServerAnswer greeting();
  // One answer for each whole command, or end of data, in `bytes` and what came before.
  std::vector<ServerAnswer> feed(std::string_view bytes);

  const std::vector<AcceptedMessage>& messages() const { return messages_; }
  const std::vector<std::string>& lines() const { return lines_; }

 private:
  std::optional<ServerAnswer> take_line();
  std::optional<ServerAnswer> take_content();
  ServerAnswer answer(const std::string& line);
  ServerAnswer answer_politely(const std::string& line);

  std::vector<std::string> extensions_;
  Override override_;
  std::string input_;
  bool in_content_ = false;
  AcceptedMessage current_;
  std::vector<AcceptedMessage> messages_;
  std::vector<std::string> lines_;
};

}  // namespace brevdue::tests
