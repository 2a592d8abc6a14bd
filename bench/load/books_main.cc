#include <charconv>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <sysexits.h>

#include "bench/load/argument_reader.h"
#include "bench/load/book_comparison.h"
#include "bench/load/book_file.h"

namespace {

using namespace brevdue;
using namespace brevdue::load;

constexpr std::string_view help_text =
    R"(brevdue-books: compares what clients were told with what arrived.

  brevdue-books --client FILE... --sink FILE... [options]

  --client FILE        a book of brevdue-load; may be given many times
  --sink FILE          a book of brevdue-sink; may be given many times
  --elsewhere FILE     messages with a 250 that need not have arrived: still queued, or bounced;
                       one "KEY" or "KEY RECIPIENT" a line
  --cuts FILE          times of kills and power cuts, one a line, in microseconds since the epoch
  --cut-window MS      a second arrival is explained by a cut at most so long after the first (1000)
  --allow-duplicates   print the number of unexplained duplicates, but do not fail
  --allow-foreign      the same for messages without a key, such as DSNs
  --json               the result as one JSON object on stdout

Exit: 0 when all is as it must be; 1 when something is lost, altered, unexplained, a duplicate, a
ghost or foreign; 64 bad arguments; 65 a book that cannot be read.
)";

struct Books {
  std::vector<ClientEntry> client;
  std::vector<SinkEntry> sink;
  ComparisonOptions options;
  bool json = false;
  bool help = false;
};

Result<void> read_client(const std::string& path, Books& books) {
  return for_each_line(path, [&](std::string_view line) -> Result<void> {
    auto entry = parse_client_line(line);
    if (!entry) return propagate(std::move(entry.error()));
    books.client.push_back(std::move(*entry));
    return {};
  });
}

Result<void> read_sink(const std::string& path, Books& books) {
  return for_each_line(path, [&](std::string_view line) -> Result<void> {
    auto entry = parse_sink_line(line);
    if (!entry) return propagate(std::move(entry.error()));
    books.sink.push_back(std::move(*entry));
    return {};
  });
}

Result<void> read_cuts(const std::string& path, Books& books) {
  return for_each_line(path, [&](std::string_view line) -> Result<void> {
    std::int64_t time = 0;
    const auto parsed = std::from_chars(line.data(), line.data() + line.size(), time);
    if (parsed.ec != std::errc() || parsed.ptr != line.data() + line.size()) {
      return fail(ErrorCode::corrupt, "not a time in microseconds");
    }
    books.options.cuts.push_back(time);
    return {};
  });
}

Result<void> parse_one(ArgumentReader& reader, Books& books) {
  const std::string_view name = reader.name();
  if (name == "--help" || name == "--json" || name == "--allow-duplicates" ||
      name == "--allow-foreign") {
    books.help |= name == "--help";
    books.json |= name == "--json";
    books.options.allow_duplicates |= name == "--allow-duplicates";
    books.options.allow_foreign |= name == "--allow-foreign";
    return {};
  }
  if (name == "--cut-window") {
    auto window = reader.number(std::int64_t{0}, std::int64_t{86'400'000});
    if (!window) return propagate(std::move(window.error()));
    books.options.cut_window = *window * 1000;
    return {};
  }
  if (name != "--client" && name != "--sink" && name != "--elsewhere" && name != "--cuts") {
    return reader.unknown();
  }
  auto value = reader.text();
  if (!value) return propagate(std::move(value.error()));
  const std::string path(*value);
  if (name == "--client") return read_client(path, books);
  if (name == "--sink") return read_sink(path, books);
  if (name == "--cuts") return read_cuts(path, books);
  return for_each_line(path, [&](std::string_view line) -> Result<void> {
    books.options.elsewhere.emplace(line);
    return {};
  });
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string_view> arguments(argv + 1, argv + argc);
  Books books;
  ArgumentReader reader(arguments);
  while (reader.next()) {
    if (auto parsed = parse_one(reader, books); !parsed) {
      fmt::print(stderr, "brevdue-books: {}\n", describe(parsed.error()));
      return parsed.error().code == ErrorCode::invalid_argument ? EX_USAGE : EX_DATAERR;
    }
  }
  if (books.help) {
    fmt::print("{}", help_text);
    return EX_OK;
  }
  if (books.client.empty() && books.sink.empty()) {
    fmt::print(stderr, "brevdue-books: nothing to compare (see --help)\n");
    return EX_USAGE;
  }
  const auto comparison = compare_books(books.client, books.sink, books.options);
  if (!comparison) {
    fmt::print(stderr, "brevdue-books: {}\n", describe(comparison.error()));
    return EX_DATAERR;
  }
  const bool sound = comparison->sound(books.options);
  for (const auto& fault : comparison->faults) fmt::print(stderr, "{}\n", fault);
  if (books.json) {
    fmt::print("{}\n", to_json(*comparison, sound));
  } else {
    fmt::print("{}{}\n", to_text(*comparison), sound ? "all is accounted for" : "NOT SOUND");
  }
  return sound ? 0 : 1;
}
