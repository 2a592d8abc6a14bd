// brevdue-store-aged: a store that has been in use for long. A share of the messages stays while
// the others come and go; when as many stay as are wanted, each that stays takes the place of one
// chosen at random. Shown as it runs: messages a second, and the space taken beside the space
// needed.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <sys/stat.h>
#include <sysexits.h>

#include "bench/load/argument_reader.h"
#include "bench/store/device_counts.h"
#include "bench/store/named_queue.h"
#include "bench/store/writers.h"

namespace brevdue::bench {

namespace {
constexpr std::string_view help_text =
    R"(brevdue-store-aged: how a store ages when some messages stay.

  brevdue-store-aged [options]

  --directory DIR   where the store is made, and removed at the end (.)
  --backend NAME    iouring, iouring-pwritev2, lmdb or maildir (lmdb)
  --cycles N        messages in all (1000000)
  --writers N       how many wait for a commit at a time (64)
  --size BYTES      of each content (4096)
  --percent N       how many of a hundred messages stay (30)
  --staying N       from so many staying ones on, one at random goes for each that stays (20000)

Prints twenty lines: messages, their rate, how many stay, what these need, the blocks that the store
has on the disk, and the bytes written to the device for each message.

Exit: 0 done; 1 the store failed; 64 bad arguments.
)";

struct Settings {
  std::string directory = ".";
  std::string backend = "lmdb";
  std::uint64_t cycles = 1'000'000;
  unsigned writers = 64;
  std::size_t size = 4096;
  unsigned percent = 30;
  std::size_t staying = 20'000;
  bool help = false;
};

Result<void> take(load::ArgumentReader& in, Settings& settings) {
  using load::store;
  if (in.name() == "--directory") return store(in.text(), settings.directory);
  if (in.name() == "--backend") return store(in.text(), settings.backend);
  if (in.name() == "--cycles") {
    return store(in.number<std::uint64_t>(20, 1'000'000'000), settings.cycles);
  }
  if (in.name() == "--writers") return store(in.number(1u, 4096u), settings.writers);
  if (in.name() == "--size") return store(in.number<std::size_t>(1, 1u << 20), settings.size);
  if (in.name() == "--percent") return store(in.number(1u, 100u), settings.percent);
  if (in.name() == "--staying") {
    return store(in.number<std::size_t>(1, 100'000'000), settings.staying);
  }
  if (in.name() != "--help") return in.unknown();
  settings.help = true;
  return {};
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
  NamedQueue queue(settings.directory, settings.backend);
  Writers writers(queue, settings.writers, settings.size,
                  {.percent = settings.percent, .most = settings.staying});
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
               writers.staying() * settings.size >> 20, blocks_under(queue.path()) >> 20,
               written / messages);
    std::fflush(stdout);
  }
  writers.stop();
}

int run(const std::vector<std::string_view>& arguments) {
  Settings settings;
  load::ArgumentReader in(arguments);
  while (in.next()) {
    if (auto taken = take(in, settings); !taken) {
      fmt::print(stderr, "brevdue-store-aged: {}\n", taken.error().context);
      return EX_USAGE;
    }
  }
  if (settings.help) {
    fmt::print("{}", help_text);
    return EX_OK;
  }
  try {
    age(settings);
    return EX_OK;
  } catch (const std::exception& error) {
    fmt::print(stderr, "brevdue-store-aged: {}\n", error.what());
    return EXIT_FAILURE;
  }
}
}  // namespace

}  // namespace brevdue::bench

int main(int argc, char** argv) {
  return brevdue::bench::run({argv + 1, argv + argc});
}
