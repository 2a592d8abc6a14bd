#include "mirror/side_record.h"

#include <charconv>
#include <utility>

#include <fmt/format.h>

#include "core/crc32c.h"
#include "core/uuid.h"

namespace brevdue::mirror {

namespace {
constexpr const char* file_name = "mirror";
constexpr std::size_t file_bytes_max = 512;
constexpr std::string_view family = "brevdue-mirror ";
constexpr std::string_view first_line = "brevdue-mirror 1\n";
constexpr std::string_view last_name = "crc32c ";

// Takes the line "NAME VALUE" off the front of `text` and returns the value.
std::optional<std::string_view> take(std::string_view& text, std::string_view name) {
  if (!text.starts_with(name) || text.substr(name.size()).substr(0, 1) != " ") return std::nullopt;
  text.remove_prefix(name.size() + 1);
  const auto end = text.find('\n');
  if (end == std::string_view::npos) return std::nullopt;
  const std::string_view value = text.substr(0, end);
  text.remove_prefix(end + 1);
  return value;
}

template <class Number>
bool parse(std::string_view text, Number& number, int base = 10) {
  const char* const last = text.data() + text.size();
  const auto [end, error] = std::from_chars(text.data(), last, number, base);
  return error == std::errc() && end == last;
}

std::optional<SideRecord> parse_lines(std::string_view lines) {
  SideRecord record;
  for (const auto& [name, to] : {std::pair<std::string_view, std::string*>{"set", &record.set},
                                 {"self", &record.self},
                                 {"partner", &record.partner}}) {
    const auto uuid = take(lines, name);
    if (!uuid || !is_uuid(*uuid)) return std::nullopt;
    *to = *uuid;
  }
  const auto epoch = take(lines, "epoch");
  if (!epoch || !parse(*epoch, record.epoch)) return std::nullopt;
  const auto partner = take(lines, "partner-is");
  if (!partner || (*partner != "current" && *partner != "stale")) return std::nullopt;
  record.partner_is_stale = *partner == "stale";
  const auto self = take(lines, "self-is");
  if (!self || (*self != "whole" && *self != "incomplete")) return std::nullopt;
  record.self_is_incomplete = *self == "incomplete";
  if (!lines.empty()) return std::nullopt;
  return record;
}
}  // namespace

std::string encode(const SideRecord& record) {
  std::string text =
      fmt::format("{}set {}\nself {}\npartner {}\nepoch {}\npartner-is {}\nself-is {}\n",
                  first_line, record.set, record.self, record.partner, record.epoch,
                  record.partner_is_stale ? "stale" : "current",
                  record.self_is_incomplete ? "incomplete" : "whole");
  return text + fmt::format("{}{:08x}\n", last_name, crc32c(text));
}

Result<SideRecord> decode_side_record(std::string_view text, const std::string& path) {
  const std::string file = path + "/" + file_name;
  if (text.starts_with(family) && !text.starts_with(first_line)) {
    return fail(ErrorCode::unsupported, file + " was made by a newer Brevdue; upgrade");
  }
  const auto damaged = [&] {
    return fail(ErrorCode::corrupt,
                file +
                    " is damaged, so it is not known what this side of the mirror has; take the "
                    "side out of the config and attach it anew from the other");
  };
  const auto last = text.rfind(last_name);
  if (!text.starts_with(first_line) || last == std::string_view::npos) return damaged();
  std::string_view sum = text.substr(last);
  const auto written = take(sum, "crc32c");
  std::uint32_t crc = 0;
  if (!written || !sum.empty() || !parse(*written, crc, 16)) return damaged();
  if (crc != crc32c(text.substr(0, last))) return damaged();
  auto record = parse_lines(text.substr(first_line.size(), last - first_line.size()));
  if (!record) return damaged();
  return std::move(*record);
}

Result<std::optional<SideRecord>> read_side_record(FileSystem& files, int spool,
                                                   const std::string& path) {
  auto text = read_file(files, spool, file_name, file_bytes_max);
  if (!text && text.error().code == ErrorCode::not_found) return std::nullopt;
  if (!text) return propagate(std::move(text.error()), path);
  auto record = decode_side_record(*text, path);
  if (!record) return propagate(std::move(record.error()));
  return std::move(*record);
}

Result<void> write_side_record(FileSystem& files, int spool, const SideRecord& record) {
  return replace_file(files, spool, file_name, encode(record), 0600);
}

}  // namespace brevdue::mirror
