// Numbers, sizes, times and error names as people write them.
//
// Sizes: "512", "4K", "64M", "1G" (powers of 1024; "KiB" and "kb" are read the same). Times: "0",
// "250ns", "80us", "6.67ms", "1s", at most an hour. Errors are invalid_argument and quote the text.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.h"

namespace brevdue::disk {

Result<std::uint64_t> parse_number(std::string_view text);
Result<std::uint64_t> parse_size(std::string_view text);
Result<std::chrono::nanoseconds> parse_duration(std::string_view text);
// "EIO", "ENOSPC", … or a positive number.
Result<int> parse_error_name(std::string_view text);
std::string error_name(int os_error);

std::vector<std::string> split_words(std::string_view text);

}  // namespace brevdue::disk
