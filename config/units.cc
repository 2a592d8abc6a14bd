#include "config/units.h"

#include <charconv>
#include <limits>
#include <span>

#include <fmt/format.h>

namespace brevdue::config {

namespace {
struct Unit {
  std::string_view name;
  std::uint64_t factor;
};

// The first of those that divide a value is the one that it is printed with.
constexpr Unit duration_units[] = {
    {"d", 86'400'000}, {"h", 3'600'000}, {"m", 60'000}, {"s", 1000}, {"ms", 1}};
constexpr Unit size_units[] = {{"TiB", 1ull << 40},
                               {"GiB", 1ull << 30},
                               {"MiB", 1ull << 20},
                               {"KiB", 1ull << 10},
                               {"TB", 1'000'000'000'000},
                               {"GB", 1'000'000'000},
                               {"MB", 1'000'000},
                               {"kB", 1000},
                               {"KB", 1000},
                               {"B", 1},
                               {"", 1}};

std::optional<std::uint64_t> parse(std::string_view text, std::span<const Unit> units) {
  std::uint64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, status] = std::from_chars(text.data(), end, number);
  if (status != std::errc{}) return std::nullopt;
  std::string_view name(rest, end);
  if (name.size() > 1 && name.starts_with(' ')) name.remove_prefix(1);
  for (const Unit& unit : units) {
    if (name != unit.name) continue;
    std::uint64_t value = 0;
    if (__builtin_mul_overflow(number, unit.factor, &value)) return std::nullopt;
    return value;
  }
  return std::nullopt;
}
}  // namespace

std::optional<std::chrono::milliseconds> parse_duration(std::string_view text) {
  const auto value = parse(text, duration_units);
  if (!value || *value > std::numeric_limits<std::int64_t>::max()) return std::nullopt;
  return std::chrono::milliseconds(static_cast<std::int64_t>(*value));
}

std::optional<std::uint64_t> parse_size(std::string_view text) {
  return parse(text, size_units);
}

std::string duration_text(std::chrono::milliseconds duration) {
  const auto value = static_cast<std::uint64_t>(duration.count());
  if (value == 0) return "0s";
  for (const Unit& unit : duration_units) {
    if (value % unit.factor == 0) return fmt::format("{}{}", value / unit.factor, unit.name);
  }
  return fmt::format("{}ms", value);
}

std::string size_text(std::uint64_t bytes) {
  if (bytes == 0) return "0";
  for (const Unit& unit : size_units) {
    if (bytes % unit.factor == 0 && unit.factor % 1024 == 0) {
      return fmt::format("{}{}", bytes / unit.factor, unit.name);
    }
  }
  return fmt::format("{}", bytes);
}

}  // namespace brevdue::config
