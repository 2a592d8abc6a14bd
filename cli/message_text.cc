#include "cli/message_text.h"

#include <algorithm>
#include <functional>

#include <fmt/format.h>
#include <unistd.h>

namespace brevdue::cli {

namespace {
std::string lower(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return out;
}

struct Field {
  std::string name;       // lower case
  std::string_view text;  // the whole field with its line ends
  std::string_view body;  // behind the colon
};

// Calls `visit` for each header field, folded lines and all; returns where the header ends.
std::size_t for_each_field(std::string_view message,
                           const std::function<void(const Field&)>& visit) {
  std::size_t at = 0;
  while (at < message.size() && message.substr(at, 2) != "\r\n") {
    std::size_t end = message.find("\r\n", at);
    while (end != std::string_view::npos && end + 2 < message.size() &&
           (message[end + 2] == ' ' || message[end + 2] == '\t')) {
      end = message.find("\r\n", end + 2);
    }
    end = end == std::string_view::npos ? message.size() : end + 2;
    const std::string_view text = message.substr(at, end - at);
    const std::size_t colon = text.find(':');
    if (colon == std::string_view::npos || text.find_first_of(" \t\r") < colon) break;
    visit({lower(text.substr(0, colon)), text, text.substr(colon + 1)});
    at = end;
  }
  return at;
}

// One pass over an address list (RFC 5322 3.4): what stands between angle brackets counts, or the
// words of an entry that has none.
class AddressList {
 public:
  std::vector<std::string> parse(std::string_view text) {
    for (std::size_t i = 0; i < text.size(); ++i) take(text, i);
    end_entry();
    return std::move(found_);
  }

 private:
  void take(std::string_view text, std::size_t& i) {
    const char c = text[i];
    if (comment_ > 0 || c == '(') return in_comment(text, i);
    if (c == '"') return in_quotes(text, i);
    if (c == '<') {
      bracketed_ = true;
      entry_.clear();
    } else if (c == '>') {
      end_entry();
      done_ = true;
    } else if (c == ',' || c == ';') {
      end_entry();
      done_ = false;
    } else if (c == ':' && !bracketed_) {
      entry_.clear();  // the name of a group
    } else if (c != ' ' && c != '\t' && c != '\r' && c != '\n' && !done_) {
      entry_ += c;
    } else if (!bracketed_ && !entry_.empty() && entry_.find('@') == std::string::npos &&
               text.find_first_not_of(" \t\r\n", i) != std::string_view::npos) {
      // A word of a display name, unless the address ends here.
      const char next = text[text.find_first_not_of(" \t\r\n", i)];
      if (next != ',' && next != ';' && next != '@') entry_.clear();
    }
  }

  void in_comment(std::string_view text, std::size_t& i) {
    if (text[i] == '(')
      ++comment_;
    else if (text[i] == ')')
      --comment_;
    else if (text[i] == '\\')
      ++i;
  }

  void in_quotes(std::string_view text, std::size_t& i) {
    std::string quoted = "\"";
    for (++i; i < text.size() && text[i] != '"'; ++i) {
      if (text[i] == '\\' && i + 1 < text.size()) quoted += text[i++];
      quoted += text[i];
    }
    quoted += '"';
    const bool local_part = i + 1 < text.size() && text[i + 1] == '@';
    if (!done_ && (bracketed_ || local_part)) entry_ += quoted;
  }

  void end_entry() {
    if (!entry_.empty() && !done_) found_.push_back(std::move(entry_));
    entry_.clear();
    bracketed_ = false;
  }

  std::vector<std::string> found_;
  std::string entry_;
  int comment_ = 0;
  bool bracketed_ = false;
  bool done_ = false;
};
}  // namespace

std::string with_crlf(std::string_view text) {
  std::string out;
  out.reserve(text.size() + text.size() / 32 + 2);
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\r' && i + 1 < text.size() && text[i + 1] == '\n') continue;
    if (text[i] == '\n' || text[i] == '\r')
      out += "\r\n";
    else
      out += text[i];
  }
  if (!out.ends_with("\r\n")) out += "\r\n";
  return out;
}

std::vector<std::string> addresses_in(std::string_view message,
                                      std::vector<std::string_view> fields) {
  std::vector<std::string> all;
  for_each_field(message, [&](const Field& field) {
    if (std::ranges::find(fields, field.name) == fields.end()) return;
    std::ranges::move(AddressList().parse(field.body), std::back_inserter(all));
  });
  return all;
}

std::vector<std::string> addresses_of(std::string_view list) {
  return AddressList().parse(list);
}

std::string_view without_mbox_line(std::string_view message) {
  if (!message.starts_with("From ")) return message;
  const std::size_t end = message.find('\n');
  return end == std::string_view::npos ? std::string_view() : message.substr(end + 1);
}

std::string without_bcc(std::string_view message) {
  std::string out;
  const std::size_t end = for_each_field(message, [&](const Field& field) {
    if (field.name != "bcc") out += field.text;
  });
  return out + std::string(message.substr(end));
}

std::string with_required_fields(std::string message, const Originator& from,
                                 const std::string& hostname, WallTime now) {
  bool has_date = false;
  bool has_from = false;
  bool has_id = false;
  const std::size_t end = for_each_field(message, [&](const Field& field) {
    has_date = has_date || field.name == "date";
    has_from = has_from || field.name == "from";
    has_id = has_id || field.name == "message-id";
  });
  std::string added;
  if (!has_date) added += "Date: " + rfc5322_date(now) + "\r\n";
  if (!has_from && from.full_name.empty()) added += fmt::format("From: {}\r\n", from.address);
  if (!has_from && !from.full_name.empty()) {
    added += fmt::format("From: \"{}\" <{}>\r\n", from.full_name, from.address);
  }
  if (!has_id) {
    added += fmt::format("Message-ID: <{:x}.{}@{}>\r\n", now.time_since_epoch().count(), ::getpid(),
                         hostname);
  }
  // A text without any header gets the empty line that ends one.
  const bool bodyless_header = end == 0 && !message.starts_with("\r\n");
  return added + (bodyless_header ? "\r\n" : "") + message;
}

}  // namespace brevdue::cli
