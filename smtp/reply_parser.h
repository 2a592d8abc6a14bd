// Reads the replies of an SMTP server (RFC 5321 4.2), which may be anything: a hostile one sends no
// end of lines, a line without end, or bytes that would forge a log line.
//
// Strict where a guess would put command and reply out of step: three digits from 200 to 599, the
// same code on every line, CRLF and nothing else as the line end, no NUL. Lenient where servers are
// known to stray: a line may have 2048 octets in place of 512, as Postfix allows. At most 128 lines
// and 32 KiB make a reply. Input may be cut anywhere. Pure. After `broken` nothing more is read:
// the connection is of no use.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace brevdue::smtp {

struct ServerReply {
  int code = 0;
  // RFC 3463 status code of the last line, if it has one of the class of `code`; otherwise empty.
  std::string enhanced;
  // All lines with their codes, joined by a space, as logs and DSNs quote them: printable ASCII
  // only, cut after 512 octets.
  std::string text;
  // The texts of all lines without the codes, each ended by LF, printable; for EHLO.
  std::string lines;

  bool positive() const { return code < 300; }
  bool intermediate() const { return code >= 300 && code < 400; }
  bool transient() const { return code >= 400 && code < 500; }
  bool permanent() const { return code >= 500; }
};

class ReplyParser {
 public:
  static constexpr std::size_t line_bytes_max = 2048;  // with CRLF
  static constexpr std::size_t lines_max = 128;
  static constexpr std::size_t reply_bytes_max = std::size_t{32} * 1024;

  enum class Status : std::uint8_t { incomplete, complete, broken };
  struct Progress {
    Status status;
    std::size_t consumed;  // of the input; what is left belongs to the next reply
  };

  Progress feed(std::string_view input);

  // Valid after `complete`, until the next call of feed().
  const ServerReply& reply() const { return reply_; }
  // What was wrong, after `broken`.
  std::string_view fault() const { return fault_; }

 private:
  Status take_line(std::string_view line);
  Status fail(std::string_view fault);
  void keep_text(std::string_view line);
  void find_enhanced(std::string_view text);

  ServerReply reply_;
  std::string partial_;  // a line that was cut
  std::size_t line_count_ = 0;
  std::size_t byte_count_ = 0;
  bool finished_ = false;
  std::string_view fault_;
};

}  // namespace brevdue::smtp
