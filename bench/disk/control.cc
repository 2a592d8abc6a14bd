#include "bench/disk/control.h"

#include <chrono>
#include <optional>
#include <vector>

#include <fmt/format.h>
#include <unistd.h>

#include "bench/disk/units.h"

namespace brevdue::disk {

namespace {

using Words = std::vector<std::string>;

Result<std::string> stats(const Disk& disk) {
  const Disk::Counters c = disk.counters();
  return fmt::format(
      "state={} reads={} read_bytes={} writes={} write_bytes={} flushes={} failed={} "
      "cached_writes={} cached_bytes={} written_back_early={} events={} size={} pid={}",
      c.off ? "off" : "on", c.reads, c.read_bytes, c.writes, c.write_bytes, c.flushes, c.failed,
      c.cached_writes, c.cached_bytes, c.written_back_early, c.events, disk.size(), ::getpid());
}

Result<std::string> without_text(Result<void> done) {
  if (!done) return std::unexpected(std::move(done.error()));
  return std::string();
}

std::optional<FaultPlan::Rule> parse_rule(std::string_view which, int os_error) {
  if (which == "all") return FaultPlan::Rule{0, UINT64_MAX, os_error};
  const bool nth = which.starts_with('@');
  if (nth) which.remove_prefix(1);
  const bool on = nth && which.ends_with('+');
  if (on) which.remove_suffix(1);
  const auto number = parse_number(which);
  if (!number || *number == 0) return std::nullopt;
  if (!nth) return FaultPlan::Rule{0, *number, os_error};
  return FaultPlan::Rule{*number - 1, on ? UINT64_MAX : 1, os_error};
}

Result<std::string> plan(const Words& words, Disk& disk) {
  const auto malformed =
      fail(ErrorCode::invalid_argument, "expected fail read|write|flush N|all|@N|@N+ ERRNO");
  if (words.size() != 4) return malformed;
  Request request{};
  if (words[1] == "read") {
    request = Request::read;
  } else if (words[1] == "write") {
    request = Request::write;
  } else if (words[1] == "flush") {
    request = Request::flush;
  } else {
    return malformed;
  }
  const auto os_error = parse_error_name(words[3]);
  if (!os_error) return std::unexpected(os_error.error());
  const auto rule = parse_rule(words[2], *os_error);
  if (!rule) return malformed;
  disk.plan(request, *rule);
  return std::string();
}

Result<std::string> damage(const Words& words, Disk& disk) {
  if (words.size() != 3 && words.size() != 4) {
    return fail(ErrorCode::invalid_argument, "expected damage OFFSET LENGTH [SEED]");
  }
  const auto offset = parse_size(words[1]);
  if (!offset) return std::unexpected(offset.error());
  const auto length = parse_size(words[2]);
  if (!length) return std::unexpected(length.error());
  const auto seed = parse_number(words.size() == 4 ? words[3] : "0");
  if (!seed) return std::unexpected(seed.error());
  return without_text(disk.damage({*offset, *length}, *seed));
}

Result<std::string> stall(const Words& words, Disk& disk) {
  constexpr std::uint64_t an_hour = 3600 * 1000;
  const auto time = parse_number(words.size() == 2 ? words[1] : "");
  if (!time || *time > an_hour) {
    return fail(ErrorCode::invalid_argument, "expected stall MS (an hour at most)");
  }
  disk.stall(std::chrono::milliseconds(*time));
  return std::string();
}

Result<std::string> cut(const Words& words, Disk& disk) {
  const auto parsed = PowerCut::parse({words.begin() + 1, words.end()});
  if (!parsed) return std::unexpected(parsed.error());
  return without_text(disk.cut(*parsed));
}

Result<std::string> execute(std::string_view command, const Words& words, Disk& disk) {
  const std::string& verb = words[0];
  if (verb == "mark") {
    const auto at = command.find("mark") + verb.size();
    const auto text = command.find_first_not_of(" \t", at);
    return without_text(
        disk.mark(std::string(text == std::string_view::npos ? "" : command.substr(text))));
  }
  if (verb == "cut") return cut(words, disk);
  if (verb == "fail") return plan(words, disk);
  if (verb == "damage") return damage(words, disk);
  if (verb == "stall") return stall(words, disk);
  if (words.size() == 1 && verb == "stats") return stats(disk);
  if (words.size() == 1 && verb == "quit") return std::string();
  if (words.size() == 1 && verb == "heal") {
    disk.heal();
    return std::string();
  }
  return fail(ErrorCode::invalid_argument,
              "unknown command; known: stats, mark, cut, fail, damage, stall, heal, quit");
}

}  // namespace

Answer obey(std::string_view command, Disk& disk) {
  if (command.ends_with('\r')) command.remove_suffix(1);
  const Words words = split_words(command);
  if (words.empty()) return {"error an empty line"};
  const auto done = execute(command, words, disk);
  if (!done) return {"error " + describe(done.error())};
  return {done->empty() ? "ok" : "ok " + *done, words[0] == "quit" && words.size() == 1};
}

}  // namespace brevdue::disk
