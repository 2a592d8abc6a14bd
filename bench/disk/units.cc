#include "bench/disk/units.h"

#include <array>
#include <cctype>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <utility>

namespace brevdue::disk {

static std::unexpected<Error> not_a(std::string_view what, std::string_view text) {
  return fail(ErrorCode::invalid_argument,
              "'" + std::string(text) + "' is not " + std::string(what));
}

Result<std::uint64_t> parse_number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return not_a("a number", text);
  return value;
}

Result<std::uint64_t> parse_size(std::string_view text) {
  const auto digits = text.find_first_not_of("0123456789");
  const auto value = parse_number(text.substr(0, digits));
  if (!value) return not_a("a size such as 512, 4K, 64M or 1G", text);
  if (digits == std::string_view::npos) return *value;
  std::string unit(text.substr(digits));
  for (char& letter : unit) letter = static_cast<char>(std::tolower(letter));
  if (unit.ends_with("ib")) unit.resize(unit.size() - 2);
  if (unit.size() == 2 && unit.ends_with("b")) unit.resize(1);
  const auto shift = std::string_view(" kmgt").find(unit);
  if (unit.size() != 1 || shift == std::string_view::npos || shift == 0) {
    return not_a("a size such as 512, 4K, 64M or 1G", text);
  }
  if (*value > (UINT64_MAX >> (10 * shift))) return not_a("a size this program can count", text);
  return *value << (10 * shift);
}

Result<std::chrono::nanoseconds> parse_duration(std::string_view text) {
  using Unit = std::pair<std::string_view, double>;
  static constexpr std::array units{Unit{"ns", 1.0}, Unit{"us", 1e3}, Unit{"ms", 1e6},
                                    Unit{"s", 1e9}};
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
  if (error == std::errc() && value == 0 && unit.empty()) return std::chrono::nanoseconds(0);
  for (const auto& [name, nanoseconds] : units) {
    if (error != std::errc() || unit != name) continue;
    if (!(value >= 0 && value * nanoseconds <= 3600e9)) break;
    return std::chrono::nanoseconds(static_cast<std::int64_t>(value * nanoseconds));
  }
  return not_a("a time such as 0, 80us, 6.67ms or 1s (an hour at most)", text);
}

Result<int> parse_error_name(std::string_view text) {
  // FUSE passes errors up to 999 on to the kernel.
  for (int number = 1; number < 1000; ++number) {
    const char* name = ::strerrorname_np(number);
    if (name != nullptr && text == name) return number;
  }
  const auto number = parse_number(text);
  if (!number || *number == 0 || *number > 999) {
    return not_a("an error such as EIO or ENOSPC", text);
  }
  return static_cast<int>(*number);
}

std::string error_name(int os_error) {
  const char* name = ::strerrorname_np(os_error);
  return name != nullptr ? name : std::to_string(os_error);
}

std::vector<std::string> split_words(std::string_view text) {
  std::vector<std::string> words;
  for (std::size_t at = 0; (at = text.find_first_not_of(" \t\r", at)) != std::string_view::npos;) {
    const auto end = std::min(text.find_first_of(" \t\r", at), text.size());
    words.emplace_back(text.substr(at, end - at));
    at = end;
  }
  return words;
}

}  // namespace brevdue::disk
