#include "cli/queue_listing.h"

#include <ctime>

#include <fmt/format.h>

namespace brevdue::cli {

namespace {
std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out.push_back('\\');
      out.push_back(c);
    } else if (byte < 0x20 || byte == 0x7f) {
      out += fmt::format("\\u{:04x}", byte);
    } else {
      out.push_back(c);
    }
  }
  return out + "\"";
}

std::string_view sender(const ipc::QueueEntry& entry) {
  return entry.reverse_path.empty() ? "MAILER-DAEMON" : std::string_view(entry.reverse_path);
}

std::string arrival_text(WallTime time) {
  const auto seconds = static_cast<std::time_t>(time.time_since_epoch().count() / 1'000'000);
  std::tm local{};
  localtime_r(&seconds, &local);
  char text[32] = {};
  std::strftime(text, sizeof text, "%a %b %e %H:%M:%S", &local);
  return text;
}
}  // namespace

std::string json_line(const ipc::QueueEntry& entry) {
  std::string out = fmt::format(
      R"({{"queue_name": "{}", "queue_id": "{}", "arrival_time": {}, "message_size": {}, )"
      R"("forced_expire": false, "sender": {}, "recipients": [)",
      entry.queue_name(), entry.id.text(), entry.arrival.time_since_epoch().count() / 1'000'000,
      entry.size, quoted(sender(entry)));
  bool first = true;
  for (const ipc::QueueEntryRecipient& recipient : entry.recipients) {
    out += fmt::format(R"({}{{"address": {})", first ? "" : ", ", quoted(recipient.address));
    if (!recipient.original_recipient.empty()) {
      out += fmt::format(R"(, "orig_address": {})", quoted(recipient.original_recipient));
    }
    if (!recipient.reason.empty()) {
      out += fmt::format(R"(, "delay_reason": {})", quoted(recipient.reason));
    }
    out += "}";
    first = false;
  }
  out += fmt::format(R"(], "attempts": {}, "next_attempt": {}}})", entry.attempts,
                     entry.next_attempt.time_since_epoch().count() / 1'000'000);
  return out;
}

void QueueListing::add(const ipc::QueueEntry& entry) {
  ++count_;
  bytes_ += entry.size;
  if (json_) {
    fmt::print(out_, "{}\n", json_line(entry));
    return;
  }
  if (count_ == 1) {
    fmt::print(out_, "{:<17} {:>8} {:<19} {}\n", "----Queue ID-----", "--Size--",
               "---Arrival Time----", "--Sender/Recipient------");
  } else {
    fmt::print(out_, "\n");
  }
  const std::string_view queue = entry.queue_name();
  const std::string_view mark = queue == "active" ? "*" : queue == "hold" ? "!" : "";
  fmt::print(out_, "{:<17} {:>8} {:>19.19} {}\n", entry.id.text() + std::string(mark), entry.size,
             arrival_text(entry.arrival), sender(entry));
  std::string last_reason;
  for (const ipc::QueueEntryRecipient& recipient : entry.recipients) {
    if (recipient.reason != last_reason) {
      last_reason = recipient.reason;
      const std::string_view shown =
          last_reason.empty() ? "reason unavailable" : std::string_view(last_reason);
      fmt::print(out_, "{:>{}}({})\n", "", shown.size() < 76 ? 76 - shown.size() : 0, shown);
    }
    fmt::print(out_, "{:<17} {:>8} {:<19} {}\n", "", "", "", recipient.address);
  }
}

void QueueListing::finish() {
  if (json_) return;
  if (count_ == 0) {
    fmt::print(out_, "Mail queue is empty\n");
  } else {
    fmt::print(out_, "\n-- {} Kbytes in {} Request{}.\n", bytes_ / 1024, count_,
               count_ == 1 ? "" : "s");
  }
}

}  // namespace brevdue::cli
