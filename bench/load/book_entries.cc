#include "bench/load/book_entries.h"

#include <array>
#include <charconv>
#include <iterator>
#include <optional>

#include <fmt/format.h>

namespace brevdue::load {

namespace {

constexpr std::array outcome_names = {"accepted", "tempfail", "permfail", "unknown", "unsent"};

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> fields;
  for (;;) {
    const std::size_t at = text.find(separator);
    fields.push_back(text.substr(0, at));
    if (at == std::string_view::npos) return fields;
    text.remove_prefix(at + 1);
  }
}

std::vector<std::string> parse_list(std::string_view text) {
  if (text == "-") return {};
  const auto fields = split(text, ',');
  return {fields.begin(), fields.end()};
}

template <class T>
bool parse_number(std::string_view text, T& value, int base = 10) {
  const char* end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, value, base);
  return result.ec == std::errc() && result.ptr == end;
}

std::string_view or_dash(std::string_view text) {
  return text.empty() ? "-" : text;
}

void append_list(std::string& out, const std::vector<std::string>& list) {
  if (list.empty()) out.push_back('-');
  for (std::size_t i = 0; i < list.size(); ++i) {
    if (i > 0) out.push_back(',');
    out.append(list[i]);
  }
}

std::optional<Outcome> parse_outcome(std::string_view text) {
  for (std::size_t i = 0; i < outcome_names.size(); ++i) {
    if (text == outcome_names[i]) return static_cast<Outcome>(i);
  }
  return std::nullopt;
}

}  // namespace

std::string_view name_of(Outcome outcome) {
  return outcome_names.at(static_cast<std::size_t>(outcome));
}

void append_line(std::string& out, const ClientEntry& entry) {
  fmt::format_to(std::back_inserter(out), "{}\t{}\t{}\t{:08x}\t{}\t{}\t{}\t{}\t", entry.time,
                 entry.key, entry.size, entry.crc, name_of(entry.outcome), or_dash(entry.stage),
                 entry.code, or_dash(entry.queue_id));
  append_list(out, entry.recipients);
  out.push_back('\t');
  append_list(out, entry.refused);
  out.push_back('\n');
}

void append_line(std::string& out, const SinkEntry& entry) {
  fmt::format_to(std::back_inserter(out), "{}\t{}\t{}\t{:08x}\t{}\t{}\t{}\t{}\n", entry.time,
                 or_dash(entry.key), entry.size, entry.crc, entry.verdict,
                 entry.answered ? "answered" : "unanswered", entry.received_fields,
                 or_dash(entry.recipient));
}

Result<ClientEntry> parse_client_line(std::string_view line) {
  const auto fields = split(line, '\t');
  ClientEntry entry;
  if (fields.size() != 10) {
    return fail(ErrorCode::corrupt, fmt::format("not a line of a client's book: {}", line));
  }
  const auto outcome = parse_outcome(fields[4]);
  if (!outcome || !parse_number(fields[0], entry.time) || !parse_number(fields[2], entry.size) ||
      !parse_number(fields[3], entry.crc, 16) || !parse_number(fields[6], entry.code)) {
    return fail(ErrorCode::corrupt, fmt::format("not a line of a client's book: {}", line));
  }
  entry.key = fields[1];
  entry.outcome = *outcome;
  if (fields[5] != "-") entry.stage = fields[5];
  if (fields[7] != "-") entry.queue_id = fields[7];
  entry.recipients = parse_list(fields[8]);
  entry.refused = parse_list(fields[9]);
  return entry;
}

Result<SinkEntry> parse_sink_line(std::string_view line) {
  const auto fields = split(line, '\t');
  SinkEntry entry;
  const bool sound = fields.size() == 8 && parse_number(fields[0], entry.time) &&
                     parse_number(fields[2], entry.size) &&
                     parse_number(fields[3], entry.crc, 16) &&
                     (fields[4] == "ok" || fields[4] == "altered" || fields[4] == "foreign") &&
                     (fields[5] == "answered" || fields[5] == "unanswered") &&
                     parse_number(fields[6], entry.received_fields);
  if (!sound) return fail(ErrorCode::corrupt, fmt::format("not a line of a sink's book: {}", line));
  entry.key = fields[1];
  entry.verdict = fields[4];
  entry.answered = fields[5] == "answered";
  entry.recipient = fields[7];
  return entry;
}

}  // namespace brevdue::load
