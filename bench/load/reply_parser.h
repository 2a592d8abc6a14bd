// SMTP replies (RFC 5321 4.2) out of a stream, one or many lines each.
//
// Bounded: a line of more than 4096 bytes, more than 200 lines, lines whose codes differ, and
// anything that is not a reply break the parser for good; the caller then drops the connection.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace brevdue::load {

struct Reply {
  int code = 0;      // 200 to 599
  std::string text;  // Without codes; lines joined by '\n'.
};

class ReplyParser {
 public:
  enum class Status { reply, incomplete, broken };

  void feed(std::string_view bytes) { buffer_.append(bytes); }
  // The next whole reply; `out` is meaningful only after Status::reply.
  Status next(Reply& out);
  // What was wrong, after Status::broken.
  std::string_view fault() const { return fault_; }
  void reset() { *this = ReplyParser(); }

 private:
  Status break_off(std::string_view fault);
  bool take_line(std::string_view line, bool& last);

  std::string buffer_;
  std::size_t at_ = 0;
  int code_ = 0;
  unsigned lines_ = 0;
  std::string text_;
  std::string_view fault_;
};

}  // namespace brevdue::load
