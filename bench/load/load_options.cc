#include "bench/load/load_options.h"

#include <limits>

#include <fmt/format.h>

#include "bench/load/argument_reader.h"
#include "bench/load/content.h"

namespace brevdue::load {

namespace {

constexpr std::uint64_t any_count = std::numeric_limits<std::uint64_t>::max();

Result<void> parse_sizes(ArgumentReader& reader, LoadOptions& options) {
  auto value = reader.text();
  if (!value) return propagate(std::move(value.error()));
  const std::size_t dash = value->find('-');
  const std::string_view first = value->substr(0, dash);
  const std::string_view second = dash == std::string_view::npos ? first : value->substr(dash + 1);
  const std::vector<std::string_view> both = {"--size", first, "--size", second};
  ArgumentReader numbers(both);
  for (std::uint64_t* size : {&options.smallest, &options.largest}) {
    numbers.next();
    if (auto stored = store(numbers.number(minimum_content_size, std::uint64_t{1} << 40), *size);
        !stored) {
      return stored;
    }
  }
  if (options.smallest > options.largest) {
    return fail(ErrorCode::invalid_argument, "--size: the range is empty");
  }
  return {};
}

Result<void> parse_seconds(ArgumentReader& reader, std::chrono::seconds& to) {
  return store(reader.number(1, 86400), to);
}

Result<void> parse_one(ArgumentReader& reader, LoadOptions& o, bool& help) {
  const std::string_view name = reader.name();
  if (name == "--to") return store(reader.text(), o.to);
  if (name == "--connections" || name == "-c") {
    return store(reader.number(1U, 60000U), o.connections);
  }
  if (name == "--messages" || name == "-m") {
    return store(reader.number(std::uint64_t{1}, std::uint64_t{0xffff'ffff}), o.messages);
  }
  if (name == "--seconds") return store(reader.number(0.001, 1e6), o.seconds);
  if (name == "--size") return parse_sizes(reader, o);
  if (name == "--recipients") return store(reader.number(1U, 50000U), o.recipients);
  if (name == "--messages-per-connection") {
    return store(reader.number(std::uint64_t{0}, any_count), o.messages_per_connection);
  }
  if (name == "--rate") return store(reader.number(0.0, 1e9), o.rate);
  if (name == "--domain-count") return store(reader.number(1U, 10'000'000U), o.domain_count);
  if (name == "--recipient") return store(reader.text(), o.recipient);
  if (name == "--from") return store(reader.text(), o.from);
  if (name == "--helo") return store(reader.text(), o.helo);
  if (name == "--book") return store(reader.text(), o.book);
  if (name == "--timeout") return parse_seconds(reader, o.timeout);
  if (name == "--give-up") return parse_seconds(reader, o.give_up);
  for (auto [flag, to] : {std::pair{"--pipelining", &o.pipelining},
                          {"--progress", &o.progress},
                          {"--json", &o.json},
                          {"--retry", &o.retry},
                          {"--help", &help}}) {
    if (name != flag) continue;
    *to = true;
    return {};
  }
  return reader.unknown();
}

}  // namespace

Result<LoadOptions> parse_load_options(const std::vector<std::string_view>& arguments, bool& help) {
  LoadOptions options;
  ArgumentReader reader(arguments);
  while (reader.next()) {
    if (auto parsed = parse_one(reader, options, help); !parsed) return propagate(parsed.error());
  }
  if (help) return options;
  if (options.to.empty()) return fail(ErrorCode::invalid_argument, "--to HOST:PORT is missing");
  if (options.messages == 0 && options.seconds == 0) {
    return fail(ErrorCode::invalid_argument, "--messages N or --seconds S is missing");
  }
  if (options.recipients > 1 && options.recipient.find("%r") == std::string::npos) {
    return fail(ErrorCode::invalid_argument, "--recipient needs %r with more than one recipient");
  }
  return options;
}

std::string expand_recipient(std::string_view pattern, std::uint64_t message, unsigned recipient,
                             unsigned domain_count) {
  std::string out;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    const char next = pattern[i] == '%' && i + 1 < pattern.size() ? pattern[i + 1] : '\0';
    switch (next) {
      case 'n':
        out += fmt::to_string(message);
        break;
      case 'r':
        out += fmt::to_string(recipient);
        break;
      case 'd':
        out += fmt::to_string((message + recipient) % domain_count);
        break;
      default:
        out.push_back(pattern[i]);
        continue;
    }
    ++i;
  }
  return out;
}

std::string_view load_help() {
  return R"(brevdue-load: sends messages over SMTP and keeps a book of what was answered.

  brevdue-load --to HOST:PORT (--messages N | --seconds S) [options]

  --to HOST:PORT               the server
  --connections N, -c N        connections at a time (1)
  --messages N, -m N           messages in all
  --seconds S                  start no message after this time
  --size BYTES[-BYTES]         size of the content, or a range to draw from (4096; at least 400)
  --recipients K               recipients a message (1)
  --recipient PATTERN          book%r@d%d.load.test; %n message, %r recipient, %d domain number
  --domain-count D             domains that %d goes through (1)
  --from PATTERN               reverse-path (book@load.test), with %n and %d; "" for the null one
  --helo NAME                  name in EHLO (load.test)
  --messages-per-connection N  then QUIT and connect anew (0: never)
  --pipelining                 send MAIL, RCPT and DATA together where the server offers it
  --rate R                     at most so many messages a second
  --retry                      a message refused with 4xx or cut off before its final dot is sent
                               again under a new key and does not count
  --timeout S                  give a connection up when an answer takes longer (300)
  --give-up S                  end when the server answered nothing at all for so long (30)
  --book FILE                  append one line a message (format: bench/load/README.md)
  --progress                   a line a second on stderr
  --json                       the summary as one JSON object on stdout

Refused and lost connections are made again after 50 ms, doubling to 1 s. A message whose answer
was lost is booked as unknown and never sent again. SIGINT and SIGTERM stop it: answers under way
get five seconds, then the book is finished. Exit: 0 done, 69 gave up, 64 bad arguments, 74 book
not writable.
)";
}

}  // namespace brevdue::load
