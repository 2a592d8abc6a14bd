// brevdue-store-aged: a store that has been in use for long. A share of the messages stays while
// the others come and go; when as many stay as are wanted, each that stays takes the place of one
// chosen at random. Shown as it runs: messages a second, and the space taken beside the space
// needed.
#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>

#include <fmt/format.h>
#include <sys/stat.h>

#include "bench/store/device_counts.h"
#include "bench/store/named_store.h"
#include "bench/store/writers.h"

namespace brevdue::bench {

namespace {
constexpr std::string_view usage =
    "usage: brevdue-store-aged [--directory=.] [--backend=lmdb] [--cycles=1000000]\n"
    "                          [--writers=64] [--size=4096] [--percent=30] [--staying=20000]\n"
    "  --percent of the messages stay, until --staying of them do; then one at random goes for\n"
    "  each that stays. Bytes are those of blocks on the disk.\n";

struct Settings {
  std::string directory = ".";
  std::string backend = "lmdb";
  std::uint64_t cycles = 1'000'000;
  std::uint64_t writers = 64;
  std::uint64_t size = 4096;
  std::uint64_t percent = 30;
  std::uint64_t staying = 20'000;
};

void take(Settings& settings, std::string_view argument) {
  const std::size_t equals = argument.find('=');
  const std::string_view name = argument.substr(0, equals);
  const std::string_view value =
      equals == std::string_view::npos ? std::string_view() : argument.substr(equals + 1);
  if (name == "--directory") {
    settings.directory = value;
    return;
  }
  if (name == "--backend") {
    settings.backend = value;
    return;
  }
  std::uint64_t* number = name == "--cycles"    ? &settings.cycles
                          : name == "--writers" ? &settings.writers
                          : name == "--size"    ? &settings.size
                          : name == "--percent" ? &settings.percent
                          : name == "--staying" ? &settings.staying
                                                : nullptr;
  if (number == nullptr) throw std::runtime_error(fmt::format("no option is called {}", name));
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), *number);
  if (error != std::errc() || end != value.data() + value.size() || *number == 0) {
    throw std::runtime_error(fmt::format("{}: \"{}\" is no number above 0", name, value));
  }
}

std::uint64_t blocks_under(const std::string& directory) {
  std::uint64_t bytes = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory)) {
    struct stat found{};
    if (::lstat(entry.path().c_str(), &found) == 0) {
      bytes += static_cast<std::uint64_t>(found.st_blocks) * 512;
    }
  }
  return bytes;
}

void age(const Settings& settings) {
  NamedStore named(settings.directory, settings.backend);
  Writers writers(
      named.store(), static_cast<unsigned>(settings.writers), settings.size,
      {.percent = static_cast<unsigned>(settings.percent), .staying = settings.staying});
  writers.start();
  fmt::print("{:>10} {:>10} {:>9} {:>12} {:>12} {:>7}\n", "messages", "a second", "staying",
             "MiB needed", "MiB on disk", "B/msg");
  std::uint64_t done = 0;
  for (unsigned part = 1; part <= 20; ++part) {
    const std::uint64_t before = done;
    const DeviceCounts counted = device_counts(settings.directory);
    const auto started = std::chrono::steady_clock::now();
    done = writers.run_until(settings.cycles * part / 20);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - started;
    const std::uint64_t messages = std::max<std::uint64_t>(done - before, 1);
    const std::uint64_t written = (device_counts(settings.directory) - counted).bytes;
    fmt::print("{:>10} {:>10.0f} {:>9} {:>12} {:>12} {:>7}\n", done,
               static_cast<double>(messages) / took.count(), writers.staying(),
               writers.staying() * settings.size >> 20, blocks_under(named.path()) >> 20,
               written / messages);
    std::fflush(stdout);
  }
  writers.finish();
}

int run(int argc, char** argv) {
  Settings settings;
  try {
    for (int i = 1; i < argc; ++i) {
      if (std::string_view(argv[i]) == "--help") {
        fmt::print("{}", usage);
        return 0;
      }
      take(settings, argv[i]);
    }
    age(settings);
    return 0;
  } catch (const std::exception& error) {
    fmt::print(stderr, "brevdue-store-aged: {}\n{}", error.what(), usage);
    return 64;
  }
}
}  // namespace

}  // namespace brevdue::bench

int main(int argc, char** argv) {
  return brevdue::bench::run(argc, argv);
}
