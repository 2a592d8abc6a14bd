#include "bench/load/reply_parser.h"

#include <utility>

namespace brevdue::load {

namespace {

constexpr std::size_t longest_line = 4096;
constexpr unsigned most_lines = 200;

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

}  // namespace

ReplyParser::Status ReplyParser::next(Reply& out) {
  if (!fault_.empty()) return Status::broken;
  for (;;) {
    const std::size_t newline = buffer_.find('\n', at_);
    if (newline == std::string::npos) {
      if (buffer_.size() - at_ > longest_line) return break_off("a reply line without an end");
      buffer_.erase(0, std::exchange(at_, 0));
      return Status::incomplete;
    }
    std::string_view line(buffer_.data() + at_, newline - at_);
    at_ = newline + 1;
    if (line.empty() || line.back() != '\r') return break_off("a reply line not ended by CRLF");
    line.remove_suffix(1);
    bool last = false;
    if (!take_line(line, last)) return Status::broken;
    if (!last) continue;
    out.code = std::exchange(code_, 0);
    out.text.swap(text_);
    text_.clear();
    lines_ = 0;
    return Status::reply;
  }
}

bool ReplyParser::take_line(std::string_view line, bool& last) {
  if (line.size() > longest_line) {
    fault_ = "a reply line too long";
  } else if (line.size() < 3 || !is_digit(line[0]) || !is_digit(line[1]) || !is_digit(line[2]) ||
             (line.size() > 3 && line[3] != ' ' && line[3] != '-')) {
    fault_ = "a line that is no reply";
  } else if (line[0] < '2' || line[0] > '5') {
    fault_ = "a reply code outside 200 to 599";
  }
  if (!fault_.empty()) return false;
  const int code = (line[0] - '0') * 100 + (line[1] - '0') * 10 + (line[2] - '0');
  if (lines_ > 0 && code != code_) {
    fault_ = "a reply whose lines have different codes";
    return false;
  }
  if (++lines_ > most_lines) {
    fault_ = "a reply of too many lines";
    return false;
  }
  code_ = code;
  if (lines_ > 1) text_.push_back('\n');
  if (line.size() > 4) text_.append(line.substr(4));
  last = line.size() == 3 || line[3] == ' ';
  return true;
}

ReplyParser::Status ReplyParser::break_off(std::string_view fault) {
  fault_ = fault;
  return Status::broken;
}

}  // namespace brevdue::load
