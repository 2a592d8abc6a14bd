// The name an operator probably meant: the candidate with the fewest slips of the finger (a letter
// added, left out, replaced, or two neighbours swapped).
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string_view>

namespace brevdue::config {

// Optimal string alignment distance.
std::size_t edit_distance(std::string_view a, std::string_view b);

// Nothing if even the nearest candidate is too far away to be a likely slip (more than a third of
// the name, and more than two).
std::optional<std::string_view> nearest_name(std::string_view name,
                                             std::span<const std::string_view> candidates);

}  // namespace brevdue::config
