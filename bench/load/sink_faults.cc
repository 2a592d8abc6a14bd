#include "bench/load/sink_faults.h"

#include <algorithm>
#include <array>
#include <utility>

#include <fnmatch.h>

namespace brevdue::load {

namespace {

constexpr std::array<std::string_view, 8> stage_names = {"connect", "ehlo", "mail", "rcpt",
                                                         "data",    "body", "dot",  "kept"};
constexpr std::array<std::string_view, lie_count> lie_names = {
    "mismatch", "preliminary", "endless-lines", "endless-line", "garbage", "code", "twice"};

template <class Enum, class Names>
std::optional<Enum> find_name(const Names& names, std::string_view name) {
  const auto found = std::ranges::find(names, name);
  if (found == names.end()) return std::nullopt;
  return static_cast<Enum>(found - names.begin());
}

}  // namespace

std::optional<Stage> parse_stage(std::string_view name) {
  return find_name<Stage>(stage_names, name);
}

std::optional<Lie> parse_lie(std::string_view name) {
  return find_name<Lie>(lie_names, name);
}

FaultPlan::FaultPlan(std::vector<Fault> faults, std::uint64_t seed) : random_(seed) {
  for (auto& fault : faults) faults_.push_back({std::move(fault)});
}

const Fault* FaultPlan::strike(Stage stage, const std::vector<std::string>& recipients) {
  if (!enabled_) return nullptr;
  for (auto& [fault, struck] : faults_) {
    if (fault.stage != stage || (fault.times > 0 && struck >= fault.times)) continue;
    const bool concerned =
        fault.recipient.empty() || std::ranges::any_of(recipients, [&](const std::string& one) {
          return ::fnmatch(fault.recipient.c_str(), one.c_str(), 0) == 0;
        });
    if (!concerned) continue;
    if (fault.share < 1 && std::uniform_real_distribution(0.0, 1.0)(random_) >= fault.share) {
      continue;
    }
    ++struck;
    return &fault;
  }
  return nullptr;
}

bool FaultPlan::has(Stage stage) const {
  return std::ranges::any_of(faults_, [&](const auto& one) { return one.fault.stage == stage; });
}

Lie FaultPlan::pick_lie(const Fault& fault) {
  if (fault.lie) return *fault.lie;
  return static_cast<Lie>(std::uniform_int_distribution(0, lie_count - 1)(random_));
}

std::string FaultPlan::garbage() {
  std::string bytes(256, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random_() & 0xff);
  return bytes + "\r\n";
}

}  // namespace brevdue::load
