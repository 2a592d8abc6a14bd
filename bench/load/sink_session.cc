#include "bench/load/sink_session.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <iterator>

#include <fmt/format.h>
#include <strings.h>

#include "bench/load/book_entries.h"

namespace brevdue::load {

namespace {

constexpr std::size_t longest_command = 8192;

bool is_verb(std::string_view line, std::string_view verb) {
  return line.size() >= verb.size() && strncasecmp(line.data(), verb.data(), verb.size()) == 0 &&
         (line.size() == verb.size() || line[verb.size()] == ' ' || verb.back() == ':');
}

// What stands between the angle brackets.
std::optional<std::string_view> path_of(std::string_view arguments) {
  const std::size_t open = arguments.find('<');
  const std::size_t close = arguments.find('>');
  if (open == std::string_view::npos || close == std::string_view::npos || close < open) {
    return std::nullopt;
  }
  return arguments.substr(open + 1, close - open - 1);
}

std::uint64_t announced_size(std::string_view arguments) {
  const std::size_t at = arguments.find(" SIZE=");
  std::uint64_t size = 0;
  if (at != std::string_view::npos) {
    std::from_chars(arguments.data() + at + 6, arguments.data() + arguments.size(), size);
  }
  return size;
}

std::string_view name_of(Verdict verdict) {
  switch (verdict) {
    case Verdict::whole:
      return "ok";
    case Verdict::altered:
      return "altered";
    case Verdict::foreign:
      return "foreign";
  }
  return "?";
}

}  // namespace

std::string to_json(const SinkCounters& c) {
  return fmt::format(
      R"({{"connections":{},"messages":{},"recipients":{},"altered":{},"foreign":{},"bytes":{},)"
      R"("faults":{}}})",
      c.connections, c.messages, c.recipients, c.altered, c.foreign, c.bytes, c.faults);
}

void SinkSession::greet() {
  if (faulty(Stage::connect)) return;
  fmt::format_to(std::back_inserter(out_), "220 {} ESMTP brevdue-sink\r\n",
                 shared_.options.hostname);
}

void SinkSession::feed(std::string_view in) {
  if (!pending_.empty() && !in_content_) {
    pending_.append(in);
    std::string gathered;
    gathered.swap(pending_);
    feed(gathered);
    return;
  }
  while (!in.empty() && ending_ == Ending::none) {
    const std::size_t taken = in_content_ ? feed_content(in) : feed_lines(in);
    in.remove_prefix(taken);
    if (!in_content_ && taken == 0) break;
  }
  if (ending_ != Ending::none || in.empty()) return;
  if (in.size() > longest_command) {
    reply(500, "5.5.2", "line too long");
    ending_ = Ending::close;
    return;
  }
  pending_.assign(in);
}

std::size_t SinkSession::feed_lines(std::string_view in) {
  const std::size_t newline = in.find('\n');
  if (newline == std::string_view::npos) return 0;
  std::string_view line = in.substr(0, newline);
  if (line.empty() || line.back() != '\r') {
    reply(500, "5.5.2", "lines end with CRLF");
  } else {
    line.remove_suffix(1);
    on_command(line);
  }
  return newline + 1;
}

std::size_t SinkSession::feed_content(std::string_view in) {
  SinkTransaction& t = *transaction_;
  if (!body_struck_ && shared_.faults.has(Stage::body)) {
    body_struck_ = true;
    if (faulty(Stage::body)) return in.size();
  }
  const bool verify = !shared_.options.throughput;
  const std::size_t taken = t.decoder.feed(in, [&](std::string_view piece) {
    t.size += piece.size();
    if (verify) t.verifier.feed(piece);
  });
  if (t.decoder.ended()) {
    in_content_ = false;
    on_dot();
    transaction_.reset();
  }
  return taken;
}

void SinkSession::on_command(std::string_view line) {
  if (is_verb(line, "MAIL FROM:")) return on_mail(line.substr(10));
  if (is_verb(line, "RCPT TO:")) return on_rcpt(line.substr(8));
  if (is_verb(line, "DATA")) return on_data();
  if (is_verb(line, "EHLO")) return on_ehlo(true);
  if (is_verb(line, "HELO")) return on_ehlo(false);
  if (is_verb(line, "RSET")) {
    transaction_.reset();
    return reply(250, "2.0.0", "Ok");
  }
  if (is_verb(line, "NOOP")) return reply(250, "2.0.0", "Ok");
  if (is_verb(line, "VRFY")) return reply(252, "2.0.0", "Send some mail, I will try");
  if (is_verb(line, "HELP")) return reply(214, "2.0.0", "See RFC 5321");
  if (is_verb(line, "QUIT")) {
    reply(221, "2.0.0", "Bye");
    ending_ = Ending::close;
    return;
  }
  reply(500, "5.5.1", "unknown command");
}

void SinkSession::on_ehlo(bool extended) {
  transaction_.reset();
  if (faulty(Stage::ehlo)) return;
  const SinkOptions& options = shared_.options;
  std::vector<std::string> lines = {options.hostname};
  if (extended) {
    if (options.pipelining) lines.emplace_back("PIPELINING");
    if (options.announce_size) {
      lines.push_back(options.size_limit > 0 ? fmt::format("SIZE {}", options.size_limit) : "SIZE");
    }
    if (options.eight_bit) lines.emplace_back("8BITMIME");
    if (options.enhanced_codes) lines.emplace_back("ENHANCEDSTATUSCODES");
    if (options.dsn) lines.emplace_back("DSN");
    if (options.utf8) lines.emplace_back("SMTPUTF8");
  }
  for (std::size_t i = 0; i < lines.size(); ++i) {
    fmt::format_to(std::back_inserter(out_), "250{}{}\r\n", i + 1 == lines.size() ? ' ' : '-',
                   lines[i]);
  }
}

void SinkSession::on_mail(std::string_view arguments) {
  const SinkOptions& options = shared_.options;
  if (transaction_) return reply(503, "5.5.1", "nested MAIL");
  if (!path_of(arguments)) return reply(501, "5.1.7", "MAIL FROM:<address>");
  if (faulty(Stage::mail)) return;
  if (options.max_messages_per_connection > 0 && accepted_ >= options.max_messages_per_connection) {
    reply(421, "4.7.0", "too many messages on this connection");
    ending_ = Ending::close;
    return;
  }
  if (options.size_limit > 0 && announced_size(arguments) > options.size_limit) {
    return reply(552, "5.3.4", "message too large");
  }
  transaction_.emplace();
  reply(250, "2.1.0", "Ok");
}

void SinkSession::on_rcpt(std::string_view arguments) {
  if (!transaction_) return reply(503, "5.5.1", "MAIL first");
  const auto path = path_of(arguments);
  if (!path || path->empty()) return reply(501, "5.1.3", "RCPT TO:<address>");
  named_recipient_.assign(1, std::string(*path));
  if (faulty(Stage::rcpt)) return;
  transaction_->recipients.push_back(std::move(named_recipient_.front()));
  reply(250, "2.1.5", "Ok");
}

void SinkSession::on_data() {
  if (!transaction_) return reply(503, "5.5.1", "MAIL first");
  if (transaction_->recipients.empty()) return reply(554, "5.5.1", "no valid recipients");
  if (faulty(Stage::data)) return;
  in_content_ = true;
  body_struck_ = false;
  out_ += "354 End data with <CRLF>.<CRLF>\r\n";
}

void SinkSession::on_dot() {
  const SinkOptions& options = shared_.options;
  if (options.size_limit > 0 && transaction_->size > options.size_limit) {
    return reply(552, "5.3.4", "message too large");
  }
  if (faulty(Stage::dot)) return;
  ++accepted_;
  if (shared_.faults.has(Stage::kept)) {
    const std::size_t before = out_.size();
    if (faulty(Stage::kept)) {
      out_.resize(before);
      return keep(false);
    }
  }
  keep(true);
  fmt::format_to(std::back_inserter(out_), "250 {}Ok: queued as {:x}\r\n",
                 options.enhanced_codes ? "2.0.0 " : "", ++shared_.last_id);
}

void SinkSession::keep(bool answered) {
  SinkCounters& counters = shared_.counters;
  SinkTransaction& t = *transaction_;
  ++counters.messages;
  counters.recipients += t.recipients.size();
  counters.bytes += t.size;
  if (shared_.options.throughput) return;
  const Verdict verdict = t.verifier.finish();
  if (verdict == Verdict::altered) ++counters.altered;
  if (verdict == Verdict::foreign) ++counters.foreign;
  if (!shared_.book.is_open()) return;
  SinkEntry entry;
  entry.time = std::chrono::duration_cast<std::chrono::microseconds>(
                   std::chrono::system_clock::now().time_since_epoch())
                   .count();
  if (t.verifier.key()) entry.key = to_text(*t.verifier.key());
  entry.size = t.size;
  entry.crc = t.verifier.crc();
  entry.verdict = name_of(verdict);
  entry.answered = answered;
  entry.received_fields = t.verifier.received_fields();
  for (auto& recipient : t.recipients) {
    entry.recipient = recipient;
    std::ranges::replace_if(entry.recipient, [](char c) { return c <= ' '; }, '?');
    append_line(shared_.book.pending(), entry);
  }
}

bool SinkSession::faulty(Stage stage) {
  static const std::vector<std::string> nobody;
  const auto& concerned = stage == Stage::rcpt ? named_recipient_
                          : transaction_       ? transaction_->recipients
                                               : nobody;
  const Fault* fault = shared_.faults.strike(stage, concerned);
  if (fault == nullptr) return false;
  ++shared_.counters.faults;
  switch (fault->action) {
    case Action::close:
      ending_ = Ending::close;
      break;
    case Action::reset:
      ending_ = Ending::reset;
      break;
    case Action::stall:
      ending_ = Ending::stall;
      break;
    case Action::lie:
      tell_lie(shared_.faults.pick_lie(*fault));
      break;
    case Action::reply:
      reply(fault->code, fmt::format("{}.3.0", fault->code / 100), "as asked for");
      if (fault->code == 421 || stage == Stage::connect || stage == Stage::body) {
        ending_ = Ending::close;
      }
      break;
  }
  return true;
}

void SinkSession::tell_lie(Lie lie) {
  switch (lie) {
    case Lie::mismatch:
      out_ += "250-one thing\r\n550 and another\r\n";
      break;
    case Lie::preliminary:
      out_ += "150 wait\r\n";
      break;
    case Lie::endless_lines:
      endless_ = "250-and then\r\n";
      break;
    case Lie::endless_line:
      out_ += "250 ";
      endless_ = "and so on ";
      break;
    case Lie::garbage:
      out_ += shared_.faults.garbage();
      break;
    case Lie::code:
      out_ += "999 beyond\r\n";
      break;
    case Lie::twice:
      out_ += "250 2.0.0 Ok\r\n250 2.0.0 Ok\r\n";
      break;
  }
}

void SinkSession::reply(int code, std::string_view enhanced, std::string_view text) {
  const bool with_code = shared_.options.enhanced_codes && code != 220 && code != 354;
  fmt::format_to(std::back_inserter(out_), "{} {}{}{}\r\n", code, with_code ? enhanced : "",
                 with_code ? " " : "", text);
}

}  // namespace brevdue::load
