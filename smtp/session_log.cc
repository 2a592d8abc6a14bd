#include "smtp/session_log.h"

#include <iterator>

#include <fmt/format.h>

#include "smtp/received_header.h"

namespace brevdue::smtp {

static constexpr std::string_view count_names[verb_count] = {
    "helo", "ehlo", "mail", "rcpt", "data", "rset",    "noop",
    "vrfy", "help", "expn", "quit", "",     "unknown", ""};

void SessionLog::greeted_by(std::string_view helo, bool extended) {
  helo_ = neutral(helo);
  protocol_ = extended ? "ESMTP" : "SMTP";
}

void SessionLog::counted(Verb verb, bool succeeded) {
  const bool known = !count_names[static_cast<std::size_t>(verb)].empty();
  Count& count = counts_[static_cast<std::size_t>(known ? verb : Verb::unknown)];
  ++count.all;
  if (succeeded) ++count.succeeded;
}

void SessionLog::connected() {
  write("connect from " + client_);
}

void SessionLog::disconnected() {
  std::string line = "disconnect from " + client_;
  const auto append = [&line](std::string_view name, const Count& count) {
    if (count.all == count.succeeded) {
      fmt::format_to(std::back_inserter(line), " {}={}", name, count.all);
    } else {
      fmt::format_to(std::back_inserter(line), " {}={}/{}", name, count.succeeded, count.all);
    }
  };
  Count total;
  for (std::size_t i = 0; i < verb_count; ++i) {
    if (counts_[i].all == 0) continue;
    append(count_names[i], counts_[i]);
    total.all += counts_[i].all;
    total.succeeded += counts_[i].succeeded;
  }
  append("commands", total);
  write(line);
}

void SessionLog::broken(std::string_view how, const std::uint64_t* content_bytes) {
  if (content_bytes != nullptr) {
    write(fmt::format("{} after DATA ({} bytes) from {}", how, *content_bytes, client_));
  } else {
    write(fmt::format("{} after {} from {}", how, where_, client_));
  }
}

void SessionLog::too_many_errors() {
  write(fmt::format("too many errors after {} from {}", where_, client_));
}

static std::string escaped(std::string_view bytes) {
  constexpr std::size_t shown_max = 100;
  std::string out;
  for (const char c : bytes.substr(0, shown_max)) {
    if (c == '\r') {
      out += "\\r";
    } else if (c == '\n') {
      out += "\\n";
    } else if (c < ' ' || c > '~' || c == '\\') {
      fmt::format_to(std::back_inserter(out), "\\{:03o}", static_cast<unsigned char>(c));
    } else {
      out.push_back(c);
    }
  }
  return out;
}

void SessionLog::improper_pipelining(std::string_view bytes) {
  write(fmt::format("improper command pipelining after {} from {}: {}", where_, client_,
                    escaped(bytes)));
}

void SessionLog::foreign_command(std::string_view line) {
  write(fmt::format("warning: non-SMTP command from {}: {}", client_, escaped(line)));
}

void SessionLog::rejected(std::string_view reply, const mail::Envelope& envelope,
                          std::string_view to) {
  const bool named = envelope.id != mail::QueueId();
  std::string line = fmt::format("{}: reject: {} from {}: {};",
                                 named ? envelope.id.text() : "NOQUEUE", where_, client_, reply);
  if (where_ != "MAIL") {
    fmt::format_to(std::back_inserter(line), " from=<{}>", envelope.reverse_path);
    if (!to.empty()) fmt::format_to(std::back_inserter(line), " to=<{}>", to);
  }
  fmt::format_to(std::back_inserter(line), " proto={} helo=<{}>", protocol_, helo_);
  write(line);
}

void SessionLog::client(mail::QueueId id) {
  write(fmt::format("{}: client={}", id.text(), client_));
}

void SessionLog::message_id(mail::QueueId id, std::string_view value) {
  reception_.log("cleanup", fmt::format("{}: message-id={}", id.text(), value));
}

}  // namespace brevdue::smtp
