#include "smtp/reply_parser.h"

#include <algorithm>

namespace brevdue::smtp {

static constexpr std::size_t text_bytes_max = 512;

static bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

ReplyParser::Status ReplyParser::fail(std::string_view fault) {
  fault_ = fault;
  return Status::broken;
}

ReplyParser::Progress ReplyParser::feed(std::string_view input) {
  if (!fault_.empty()) return {Status::broken, 0};
  if (finished_) {
    finished_ = false;
    line_count_ = 0;
    byte_count_ = 0;
    reply_.code = 0;
    reply_.enhanced.clear();
    reply_.text.clear();
    reply_.lines.clear();
  }
  std::size_t consumed = 0;
  while (consumed < input.size()) {
    const std::string_view rest = input.substr(consumed);
    const std::size_t lf = rest.find('\n');
    const std::size_t size = lf == std::string_view::npos ? rest.size() : lf + 1;
    if (partial_.size() + size > line_bytes_max) return {fail("reply line too long"), consumed};
    consumed += size;
    std::string_view line = rest.substr(0, size);
    if (lf == std::string_view::npos || !partial_.empty()) {
      partial_.append(line);
      if (lf == std::string_view::npos) break;
      line = partial_;
    }
    const Status status = take_line(line);
    partial_.clear();
    if (status != Status::incomplete) return {status, consumed};
  }
  return {Status::incomplete, consumed};
}

// `line` ends with LF and has no other.
ReplyParser::Status ReplyParser::take_line(std::string_view line) {
  if (line.size() < 2 || line[line.size() - 2] != '\r') {
    return fail("reply line without CRLF");
  }
  byte_count_ += line.size();
  line.remove_suffix(2);
  if (++line_count_ > lines_max || byte_count_ > reply_bytes_max) return fail("reply too long");
  if (line.find('\r') != std::string_view::npos) return fail("bare CR in a reply");
  if (line.find('\0') != std::string_view::npos) return fail("NUL in a reply");
  if (line.size() < 3 || !std::all_of(line.begin(), line.begin() + 3, is_digit)) {
    return fail("reply without a three-digit code");
  }
  if (line.size() > 3 && line[3] != ' ' && line[3] != '-') {
    return fail("reply code not followed by a space or a hyphen");
  }
  const int code = (line[0] - '0') * 100 + (line[1] - '0') * 10 + (line[2] - '0');
  if (code < 200 || code > 599) return fail("reply code out of range");
  if (line_count_ > 1 && code != reply_.code) return fail("lines of a reply with different codes");
  reply_.code = code;
  keep_text(line);
  if (line.size() > 3 && line[3] == '-') return Status::incomplete;
  find_enhanced(line.substr(std::min<std::size_t>(4, line.size())));
  finished_ = true;
  return Status::complete;
}

void ReplyParser::keep_text(std::string_view line) {
  // RFC 6531 lets a server answer in UTF-8; logs and DSNs of seven bits get '?' in its place.
  const auto append_printable = [](std::string& to, std::string_view from) {
    const auto start = static_cast<std::ptrdiff_t>(to.size());
    to.append(from);
    std::replace_if(
        to.begin() + start, to.end(), [](char c) { return c < 0x20 || c == 0x7f; }, '?');
  };
  if (reply_.text.size() < text_bytes_max) {
    if (!reply_.text.empty()) reply_.text.push_back(' ');
    append_printable(reply_.text, line.substr(0, text_bytes_max - reply_.text.size()));
  }
  append_printable(reply_.lines, line.substr(std::min<std::size_t>(4, line.size())));
  reply_.lines.push_back('\n');
}

// RFC 2034 4: class "." subject "." detail, subject and detail of one to three digits, at the start
// of the text.
void ReplyParser::find_enhanced(std::string_view text) {
  const std::string_view word = text.substr(0, text.find(' '));
  if (word.size() < 5 || word.size() > 9 || word[0] != '0' + reply_.code / 100 || word[1] != '.') {
    return;
  }
  const std::size_t dot = word.find('.', 2);
  if (dot == std::string_view::npos) return;
  const auto is_number = [](std::string_view part) {
    return !part.empty() && part.size() <= 3 && std::all_of(part.begin(), part.end(), is_digit);
  };
  if (is_number(word.substr(2, dot - 2)) && is_number(word.substr(dot + 1))) {
    reply_.enhanced.assign(word);
  }
}

}  // namespace brevdue::smtp
