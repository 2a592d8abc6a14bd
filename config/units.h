// Durations ("250ms", "30s", "5m", "4h", "5d") and sizes ("50MiB", "10MB", "512") as text.
//
// A duration is a whole number and a unit; a size a whole number of bytes or with a unit (KiB, MiB,
// GiB, TiB by 1024, kB, MB, GB, TB by 1000). One space may stand before the unit. Printing uses the
// largest unit that leaves no rest, so that what is printed parses to the same value.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace brevdue::config {

std::optional<std::chrono::milliseconds> parse_duration(std::string_view text);
std::optional<std::uint64_t> parse_size(std::string_view text);

std::string duration_text(std::chrono::milliseconds duration);
std::string size_text(std::uint64_t bytes);

}  // namespace brevdue::config
