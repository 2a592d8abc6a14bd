#include "smtp/address.h"

#include <algorithm>

#include "smtp/limits.h"
#include "smtp/networks.h"

namespace brevdue::smtp {

namespace {

bool is_alphanumeric(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool is_high(char c) {
  return static_cast<unsigned char>(c) >= 0x80;
}

// RFC 5322 3.2.3, widened by RFC 6532.
bool is_atext(char c) {
  return is_alphanumeric(c) || is_high(c) ||
         std::string_view("!#$%&'*+-/=?^_`{|}~").find(c) != std::string_view::npos;
}

class PathReader {
 public:
  explicit PathReader(std::string_view text) : text_(text) {}

  std::expected<Path, PathFault> read();

 private:
  using Step = std::expected<void, PathFault>;

  bool at(char c) const { return next_ < text_.size() && text_[next_] == c; }
  bool skip(char c) {
    if (!at(c)) return false;
    ++next_;
    return true;
  }
  std::unexpected<PathFault> wrong() const {
    const bool control = next_ < text_.size() && is_control(text_[next_]);
    return std::unexpected(control ? PathFault::control_character : PathFault::syntax);
  }
  Step skip_source_route();
  Step read_local_part();
  Step read_quoted(std::string& content);
  Step read_domain(std::string* into);
  Step read_literal(std::string* into);
  Step read_name(std::string* into);

  std::string_view text_;
  std::size_t next_ = 0;
  std::string mailbox_;
};

bool is_dot_string(std::string_view text) {
  bool after_dot = true;
  for (const char c : text) {
    if (c == '.' ? after_dot : !is_atext(c)) return false;
    after_dot = c == '.';
  }
  return !after_dot;
}

// "@one,@two:" in front of the mailbox.
PathReader::Step PathReader::skip_source_route() {
  do {
    if (!skip('@')) return wrong();
    if (const Step domain = read_domain(nullptr); !domain) return domain;
  } while (skip(','));
  if (!skip(':')) return wrong();
  return {};
}

PathReader::Step PathReader::read_quoted(std::string& content) {
  while (next_ < text_.size()) {
    char c = text_[next_];
    if (c == '"') return {};
    if (c == '\\') {
      if (++next_ == text_.size()) return wrong();
      c = text_[next_];
    }
    if (is_control(c)) return wrong();
    content.push_back(c);
    ++next_;
  }
  return wrong();
}

PathReader::Step PathReader::read_local_part() {
  if (skip('"')) {
    std::string content;
    if (const Step quoted = read_quoted(content); !quoted) return quoted;
    ++next_;
    if (is_dot_string(content)) {
      mailbox_ = content;
    } else {
      mailbox_ = "\"";
      for (const char c : content) {
        if (c == '"' || c == '\\') mailbox_.push_back('\\');
        mailbox_.push_back(c);
      }
      mailbox_.push_back('"');
    }
  } else {
    const std::size_t from = next_;
    while (next_ < text_.size() && (is_atext(text_[next_]) || text_[next_] == '.')) ++next_;
    mailbox_ = text_.substr(from, next_ - from);
    if (!is_dot_string(mailbox_)) return wrong();
  }
  const bool utf8 = std::ranges::any_of(mailbox_, is_high);
  if (mailbox_.size() > (utf8 ? utf8_local_part_bytes_max : local_part_bytes_max)) {
    return std::unexpected(PathFault::too_long);
  }
  return {};
}

PathReader::Step PathReader::read_domain(std::string* into) {
  return skip('[') ? read_literal(into) : read_name(into);
}

PathReader::Step PathReader::read_literal(std::string* into) {
  const auto end = text_.find(']', next_);
  if (end == std::string_view::npos) return wrong();
  std::string_view inside = text_.substr(next_, end - next_);
  constexpr std::string_view tag = "IPv6:";
  const bool six =
      inside.size() > tag.size() &&
      std::ranges::equal(
          inside.substr(0, tag.size()), tag, {}, [](char c) { return static_cast<char>(c | 0x20); },
          [](char c) { return static_cast<char>(c | 0x20); });
  if (six) inside.remove_prefix(tag.size());
  const auto address = IpAddress::parse(inside);
  if (!address || six != (inside.find(':') != std::string_view::npos)) {
    const auto control = std::ranges::find_if(inside, is_control);
    return std::unexpected(control == inside.end() ? PathFault::syntax
                                                   : PathFault::control_character);
  }
  next_ = end + 1;
  if (into != nullptr) *into += "[" + (six ? "IPv6:" + std::string(inside) : address->text()) + "]";
  return {};
}

// Letters, digits, hyphens and, since real names carry them, underscores; U-labels as they are.
PathReader::Step PathReader::read_name(std::string* into) {
  const std::size_t from = next_;
  bool utf8 = false;
  while (true) {
    const std::size_t label = next_;
    while (next_ < text_.size()) {
      const char c = text_[next_];
      if (!is_alphanumeric(c) && !is_high(c) && c != '-' && c != '_') break;
      utf8 |= is_high(c);
      ++next_;
    }
    const std::string_view text = text_.substr(label, next_ - label);
    if (text.empty() || text.front() == '-' || text.back() == '-') return wrong();
    if (text.size() > (utf8 ? 4 * label_bytes_max : label_bytes_max)) {
      return std::unexpected(PathFault::too_long);
    }
    if (!skip('.')) break;
  }
  const std::string_view name = text_.substr(from, next_ - from);
  if (name.size() > (utf8 ? utf8_domain_bytes_max : domain_bytes_max)) {
    return std::unexpected(PathFault::too_long);
  }
  if (into != nullptr) into->append(name);
  return {};
}

std::expected<Path, PathFault> PathReader::read() {
  Path path;
  if (!skip('<')) return wrong();
  if (skip('>')) {
    path.bytes = next_;
    return path;
  }
  if (at('@')) {
    if (const Step route = skip_source_route(); !route) return std::unexpected(route.error());
  }
  if (const Step local = read_local_part(); !local) return std::unexpected(local.error());
  if (skip('@')) {
    mailbox_.push_back('@');
    path.has_domain = true;
    if (const Step domain = read_domain(&mailbox_); !domain) {
      return std::unexpected(domain.error());
    }
  }
  if (!skip('>')) return wrong();
  path.utf8 = std::ranges::any_of(mailbox_, is_high);
  if (path.utf8 && !is_utf8(mailbox_)) return std::unexpected(PathFault::syntax);
  // The limit of a path counts the angle brackets.
  if (!path.utf8 && mailbox_.size() + 2 > path_bytes_max) {
    return std::unexpected(PathFault::too_long);
  }
  path.mailbox = std::move(mailbox_);
  path.bytes = next_;
  return path;
}

}  // namespace

std::expected<Path, PathFault> parse_path(std::string_view text) {
  return PathReader(text).read();
}

bool is_utf8(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i++]);
    if (lead < 0x80) continue;
    const unsigned more = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : 1;
    if (lead < 0xc2 || lead > 0xf4 || text.size() - i < more) return false;
    std::uint32_t point = lead & (0x3fu >> more);
    for (unsigned k = 0; k < more; ++k) {
      const auto byte = static_cast<unsigned char>(text[i++]);
      if ((byte & 0xc0) != 0x80) return false;
      point = point << 6 | (byte & 0x3fu);
    }
    constexpr std::uint32_t smallest[] = {0, 0x80, 0x800, 0x10000};
    if (point < smallest[more] || point > 0x10ffff) return false;
    if ((point >= 0xd800 && point <= 0xdfff) || point < 0xa0) return false;
  }
  return true;
}

}  // namespace brevdue::smtp
