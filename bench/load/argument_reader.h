// A command line read from left to right, for options whose meaning depends on the one before.
//
// Accepts "--name value" and "--name=value". Every error names the option.
#pragma once

#include <charconv>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "core/error.h"

namespace brevdue::load {

class ArgumentReader {
 public:
  explicit ArgumentReader(const std::vector<std::string_view>& arguments) : arguments_(arguments) {}

  // False at the end.
  bool next() {
    if (at_ == arguments_.size()) return false;
    name_ = arguments_[at_++];
    inline_value_ = {};
    has_inline_value_ = false;
    if (const std::size_t equals = name_.find('=');
        name_.starts_with("--") && equals != std::string_view::npos) {
      inline_value_ = name_.substr(equals + 1);
      has_inline_value_ = true;
      name_ = name_.substr(0, equals);
    }
    return true;
  }
  std::string_view name() const { return name_; }

  Result<std::string_view> text() {
    if (has_inline_value_) {
      has_inline_value_ = false;
      return inline_value_;
    }
    if (at_ == arguments_.size()) {
      return fail(ErrorCode::invalid_argument, fmt::format("{} needs a value", name_));
    }
    return arguments_[at_++];
  }

  template <class T>
  Result<T> number(T lowest, T highest) {
    auto value = text();
    if (!value) return propagate(std::move(value.error()));
    T out{};
    const char* end = value->data() + value->size();
    const auto parsed = std::from_chars(value->data(), end, out);
    if (parsed.ec != std::errc() || parsed.ptr != end || out < lowest || out > highest) {
      return fail(ErrorCode::invalid_argument, fmt::format("{}: {} is not a number from {} to {}",
                                                           name_, *value, lowest, highest));
    }
    return out;
  }

  std::unexpected<Error> unknown() const {
    return fail(ErrorCode::invalid_argument, fmt::format("unknown option {} (see --help)", name_));
  }

 private:
  const std::vector<std::string_view>& arguments_;
  std::size_t at_ = 0;
  std::string_view name_;
  std::string_view inline_value_;
  bool has_inline_value_ = false;
};

// Stores what a reader returned, or passes its error on.
template <class T, class U>
Result<void> store(Result<T> value, U& to) {
  if (!value) return propagate(std::move(value.error()));
  to = U(*value);
  return {};
}

}  // namespace brevdue::load
