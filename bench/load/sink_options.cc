#include "bench/load/sink_options.h"

#include <limits>
#include <utility>

#include <fmt/format.h>

#include "bench/load/argument_reader.h"

namespace brevdue::load {

namespace {

constexpr std::uint64_t any_count = std::numeric_limits<std::uint64_t>::max();

Result<void> bad(const ArgumentReader& reader, std::string_view value) {
  return fail(ErrorCode::invalid_argument,
              fmt::format("{}: {} is not one of those in --help", reader.name(), value));
}

Result<void> parse_fault(ArgumentReader& reader, SinkOptions& options, Action action) {
  Fault fault;
  fault.action = action;
  auto stage = reader.text();
  if (!stage) return propagate(std::move(stage.error()));
  const auto parsed = parse_stage(*stage);
  if (!parsed || (*parsed == Stage::kept && (action == Action::reply || action == Action::lie))) {
    return bad(reader, *stage);
  }
  fault.stage = *parsed;
  if (action == Action::reply) {
    if (auto code = store(reader.number(200, 599), fault.code); !code) return code;
  }
  if (action == Action::lie) {
    auto kind = reader.text();
    if (!kind) return propagate(std::move(kind.error()));
    fault.lie = parse_lie(*kind);
    if (!fault.lie && *kind != "any") return bad(reader, *kind);
  }
  options.faults.push_back(std::move(fault));
  return {};
}

// --share, --only-recipient and --times belong to the faults named so far that have none of their
// own: in practice to the one just before.
Result<void> parse_condition(ArgumentReader& reader, SinkOptions& options) {
  if (options.faults.empty()) {
    return fail(ErrorCode::invalid_argument,
                fmt::format("{} must follow the fault that it belongs to", reader.name()));
  }
  Fault& fault = options.faults.back();
  if (reader.name() == "--share") return store(reader.number(0.0, 1.0), fault.share);
  if (reader.name() == "--times")
    return store(reader.number(std::uint64_t{1}, any_count), fault.times);
  if (fault.stage < Stage::rcpt) {
    return fail(ErrorCode::invalid_argument,
                "--only-recipient: at connect, ehlo and mail no recipient is known");
  }
  return store(reader.text(), fault.recipient);
}

void lie_everywhere(SinkOptions& options) {
  for (const Stage stage :
       {Stage::connect, Stage::ehlo, Stage::mail, Stage::rcpt, Stage::data, Stage::dot}) {
    Fault fault;
    fault.action = Action::lie;
    fault.stage = stage;
    fault.share = 0.1;
    options.faults.push_back(std::move(fault));
  }
}

bool parse_flag(std::string_view name, SinkOptions& o, bool& help) {
  for (auto [flag, to, value] : {std::tuple{"--pipelining", &o.pipelining, true},
                                 {"--no-pipelining", &o.pipelining, false},
                                 {"--no-8bitmime", &o.eight_bit, false},
                                 {"--no-smtputf8", &o.utf8, false},
                                 {"--no-dsn", &o.dsn, false},
                                 {"--no-enhancedstatuscodes", &o.enhanced_codes, false},
                                 {"--no-size", &o.announce_size, false},
                                 {"--throughput", &o.throughput, true},
                                 {"--help", &help, true}}) {
    if (name != flag) continue;
    *to = value;
    return true;
  }
  if (name != "--lie") return false;
  lie_everywhere(o);
  return true;
}

Result<void> parse_one(ArgumentReader& reader, SinkOptions& o, bool& help) {
  const std::string_view name = reader.name();
  if (name == "--listen") return store(reader.text(), o.listen);
  if (name == "--hostname") return store(reader.text(), o.hostname);
  if (name == "--book") return store(reader.text(), o.book);
  if (name == "--control") return store(reader.text(), o.control);
  if (name == "--seed") return store(reader.number(std::uint64_t{0}, any_count), o.seed);
  if (name == "--size-limit")
    return store(reader.number(std::uint64_t{0}, any_count), o.size_limit);
  if (name == "--until") return store(reader.number(std::uint64_t{1}, any_count), o.until);
  if (name == "--max-messages-per-connection") {
    return store(reader.number(std::uint64_t{0}, any_count), o.max_messages_per_connection);
  }
  if (name == "--latency") return store(reader.number(0, 3'600'000), o.latency);
  if (name == "--reply-at") return parse_fault(reader, o, Action::reply);
  if (name == "--close-at") return parse_fault(reader, o, Action::close);
  if (name == "--reset-at") return parse_fault(reader, o, Action::reset);
  if (name == "--stall-at") return parse_fault(reader, o, Action::stall);
  if (name == "--lie-at") return parse_fault(reader, o, Action::lie);
  if (name == "--share" || name == "--times" || name == "--only-recipient") {
    return parse_condition(reader, o);
  }
  if (parse_flag(name, o, help)) return {};
  return reader.unknown();
}

}  // namespace

Result<SinkOptions> parse_sink_options(const std::vector<std::string_view>& arguments, bool& help) {
  SinkOptions options;
  ArgumentReader reader(arguments);
  while (reader.next()) {
    if (auto parsed = parse_one(reader, options, help); !parsed) return propagate(parsed.error());
  }
  return options;
}

std::string_view sink_help() {
  return R"(brevdue-sink: takes messages over SMTP, verifies them and keeps a book of what arrived.

  brevdue-sink [--listen HOST:PORT] [options]

  --listen HOST:PORT   where (127.0.0.1:0); the first line of stdout says "listening on HOST:PORT"
  --book FILE          append one line a message and recipient (format: bench/load/README.md)
  --throughput         count only: contents are not verified
  --until N            end after N messages
  --control SOCKET     Unix socket with a line protocol: stats | faults on | faults off | quit
  --size-limit N       552 to larger messages (0: none)
  --max-messages-per-connection N   then 421 (0: no limit)
  --latency MS         before every reply
  --hostname NAME      in greeting and EHLO (sink.load.test)
  --no-pipelining --no-8bitmime --no-smtputf8 --no-size --no-dsn --no-enhancedstatuscodes
                       leave the extension out of the answer to EHLO

Faults; any number of them, the first that strikes counts. STAGE is the reply in whose place it
happens: connect, ehlo, mail, rcpt, data, body (middle of the content), dot, kept (the message is
booked as arrived, but its client is not told).
  --reply-at STAGE CODE   this reply instead of a good one
  --close-at STAGE        close the connection
  --reset-at STAGE        reset it
  --stall-at STAGE        never answer again, keep the connection open
  --lie-at STAGE KIND     mismatch | preliminary | endless-lines | endless-line | garbage | code |
                          twice | any
  --lie                   any lie, one time in ten, at every stage
Each may be followed by conditions of its own:
  --share P               in this share of the cases (0 to 1)
  --times N               at most N times
  --only-recipient GLOB   when a recipient matches; from rcpt on
  --seed N                for the shares (1)

SIGUSR1 prints the counts; SIGINT and SIGTERM print them and end it. Exit: 0, 64 bad arguments,
74 book not writable.
)";
}

}  // namespace brevdue::load
