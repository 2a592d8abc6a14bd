#include "mail/dsn_text.h"

#include <algorithm>

namespace brevdue::mail {

static constexpr std::size_t fold_width = 76;
static constexpr std::size_t hard_width = 900;
static constexpr std::size_t line_bytes_max = 998;

bool is_ascii(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

// The length of the valid UTF-8 sequence at the start of `text`, or 0 (RFC 3629 4).
static std::size_t sequence_length(std::string_view text) {
  const auto byte = [&](std::size_t i) {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
  };
  const auto tail = [&](std::size_t i) { return (byte(i) & 0xc0) == 0x80; };
  const unsigned first = byte(0);
  if (first < 0x80) return 1;
  if (first >= 0xc2 && first <= 0xdf) return tail(1) ? 2 : 0;
  if (first >= 0xe0 && first <= 0xef) {
    const unsigned low = first == 0xe0 ? 0xa0 : 0x80;
    const unsigned high = first == 0xed ? 0x9f : 0xbf;
    return byte(1) >= low && byte(1) <= high && tail(2) ? 3 : 0;
  }
  if (first >= 0xf0 && first <= 0xf4) {
    const unsigned low = first == 0xf0 ? 0x90 : 0x80;
    const unsigned high = first == 0xf4 ? 0x8f : 0xbf;
    return byte(1) >= low && byte(1) <= high && tail(2) && tail(3) ? 4 : 0;
  }
  return 0;
}

std::string printable(std::string_view text, bool utf8) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    const auto c = static_cast<unsigned char>(text[at]);
    const std::size_t length = c < 0x80 ? 1 : (utf8 ? sequence_length(text.substr(at)) : 0);
    // C1 controls are two bytes in UTF-8, C2 80 to C2 9F.
    const bool control =
        c < 0x20 || c == 0x7f ||
        (length == 2 && c == 0xc2 && static_cast<unsigned char>(text[at + 1]) < 0xa0);
    if (c == '\t') {
      out += ' ';
    } else if (length == 0 || control) {
      out += '?';
    } else {
      out += text.substr(at, length);
    }
    at += std::max<std::size_t>(length, 1);
  }
  return out;
}

// Appends `text` with line breaks; `column` is where the line stands.
static void append_folded(std::string& out, std::string_view text, std::size_t column,
                          std::string_view indent) {
  bool first_on_line = column == 0;
  while (!text.empty()) {
    const std::size_t spaces = std::min(text.find_first_not_of(' '), text.size());
    const std::size_t word_end = std::min(text.find(' ', spaces), text.size());
    std::string_view piece = text.substr(0, word_end);
    const std::string_view word = piece.substr(spaces);
    if (word.empty()) break;  // trailing spaces
    text.remove_prefix(word_end);
    if (!first_on_line && column + piece.size() > fold_width) {
      out += "\r\n";
      out += indent;
      column = indent.size();
      piece = word;
    }
    // A word too long for any line is broken, at the start of a character.
    while (column + piece.size() > hard_width) {
      std::size_t cut = hard_width - column;
      while (cut > 0 && (static_cast<unsigned char>(piece[cut]) & 0xc0) == 0x80) --cut;
      out += piece.substr(0, cut);
      out += "\r\n";
      out += indent;
      column = indent.size();
      piece.remove_prefix(cut);
    }
    out += piece;
    column += piece.size();
    first_on_line = false;
  }
  out += "\r\n";
}

std::string header_field(std::string_view name, std::string_view value) {
  std::string out(name);
  out += ':';
  std::string body = " ";
  body += value;
  append_folded(out, body, out.size(), " ");
  return out;
}

std::string paragraph(std::string_view text) {
  std::string out;
  append_folded(out, text, 0, "    ");
  return out;
}

std::string header_lines(std::string_view header, std::size_t size_max, bool utf8) {
  std::string out;
  while (!header.empty() && !header.starts_with("\r\n")) {
    const std::size_t end = std::min(header.find("\r\n"), header.size());
    std::string_view line = header.substr(0, std::min(end, line_bytes_max));
    while (line.size() < end && !line.empty() &&
           (static_cast<unsigned char>(header[line.size()]) & 0xc0) == 0x80) {
      line.remove_suffix(1);
    }
    if (out.size() + line.size() + 2 > size_max) break;
    // printable() keeps what it can; without utf8 the raw bytes stay and the part is 8bit.
    if (utf8) {
      out += printable(line, true);
    } else {
      for (const char c : line) out += c == '\0' || c == '\r' || c == '\n' ? '?' : c;
    }
    out += "\r\n";
    header.remove_prefix(std::min(end + 2, header.size()));
  }
  return out;
}

static int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::string decode_xtext(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] == '+' && at + 2 < text.size() && hex_digit(text[at + 1]) >= 0 &&
        hex_digit(text[at + 2]) >= 0) {
      out += static_cast<char>(hex_digit(text[at + 1]) * 16 + hex_digit(text[at + 2]));
      at += 2;
    } else {
      out += text[at];
    }
  }
  return out;
}

}  // namespace brevdue::mail
