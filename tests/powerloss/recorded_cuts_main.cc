// brevdue-recorded-cuts: makes the disk of a record as it was after each of many power cuts, mounts
// it, recovers the spool and prints what is in it. tests/powerloss/run judges.
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <memory>
#include <sstream>

#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/disk/replay.h"
#include "config/load.h"
#include "tests/powerloss/cut_choice.h"
#include "tests/powerloss/mounted_image.h"
#include "tests/powerloss/spool_reader.h"

namespace brevdue::powerloss {

namespace {
constexpr std::string_view usage = R"(usage: brevdue-recorded-cuts OPTIONS

Cuts the power at many points of a record of bench/disk, mounts what is left, recovers the spool as
a start would and prints it. Needs root and loop devices.

  --record FILE        the record; FILE.base is the image before it
  --config FILE        whose [queue] names the backend and a path below --mount
  --mount DIR          where each image is mounted, for this process only
  --file-system NAME   ext4, xfs or btrfs
  --work DIR           for two images; a tmpfs is fastest
  --cuts N             how many points (100)
  --from MICROSECONDS  none before this time since the epoch (0)
  --torn SECTOR        tear unflushed writes at 512 or 4096; without it they are lost or kept whole
  --seed N             of the points and of what survives (1)
  --only 'N KIND'      this one cut, such as '4711 subset 17'; its image stays in --work
  --twice-every N      each Nth spool is read again after recovery and must be the same (8)

Output, fields separated by tabs; a cut's lines end with "ok" or "failed":
  events COUNT BYTES-OF-RECORD
  cut EVENT TIME-OF-THE-NEXT-EVENT KIND UNFLUSHED-WRITES
  found ID KEY VERDICT REVERSE-PATH ADDRESS=STATUS,…
  damage TEXT
  repaired TEXT          what e2fsck had to mend before an ext4 that was torn could be mounted
  ok | failed mount|recovery TEXT
)";

struct Options {
  std::map<std::string, std::string, std::less<>> texts;
  std::string only;

  const std::string& text(std::string_view name) const { return texts.find(name)->second; }
  std::int64_t number(std::string_view name) const {
    const std::string& digits = text(name);
    std::int64_t value = -1;
    std::from_chars(digits.data(), digits.data() + digits.size(), value);
    return value;
  }
};

[[noreturn]] void stop(int status, const std::string& text) {
  std::fflush(stdout);
  fmt::print(stderr, "brevdue-recorded-cuts: {}\n", text);
  std::_Exit(status);
}

template <class T>
T must(Result<T> result, std::string_view what) {
  if (!result) stop(71, fmt::format("{}: {}", what, describe(result.error())));
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

Options parse(int count, char** words) {
  Options options{{{"record", ""},
                   {"config", ""},
                   {"mount", ""},
                   {"file-system", ""},
                   {"work", ""},
                   {"cuts", "100"},
                   {"from", "0"},
                   {"torn", "0"},
                   {"seed", "1"},
                   {"only", ""},
                   {"twice-every", "8"}},
                  {}};
  for (int i = 1; i < count; i += 2) {
    const std::string_view word = words[i];
    if (word == "--help") {
      fmt::print("{}", usage);
      std::exit(0);
    }
    const auto known =
        word.starts_with("--") ? options.texts.find(word.substr(2)) : options.texts.end();
    if (known == options.texts.end() || i + 1 == count) {
      stop(64, fmt::format("{}: no such option, or no value\n{}", word, usage));
    }
    known->second = words[i + 1];
  }
  for (const auto& [name, value] : options.texts) {
    if (value.empty() && name != "only") stop(64, fmt::format("--{} is missing\n{}", name, usage));
  }
  for (const char* name : {"cuts", "from", "torn", "seed", "twice-every"}) {
    if (options.number(name) < 0) stop(64, fmt::format("--{} is no number", name));
  }
  return options;
}

// Tabs and line ends part what is printed.
std::string plain(std::string text) {
  for (char& letter : text) {
    if (letter == '\t' || letter == '\n' || letter == '\r') letter = ' ';
  }
  return text;
}

void print(const SpoolContents& contents) {
  std::string out;
  for (const FoundMessage& message : contents.messages) {
    out += fmt::format("found\t{}\t{}\t{}\t{}\t", message.id.text(), plain(message.key),
                       plain(message.verdict), plain(message.reverse_path));
    for (const auto& [address, status] : message.recipients) {
      out += fmt::format("{}={},", plain(address), status);
    }
    out.back() = '\n';
  }
  for (const std::string& damage : contents.damage) out += "damage\t" + plain(damage) + "\n";
  std::fwrite(out.data(), 1, out.size(), stdout);
}

// In a process of its own: a recovery that crashes is a result, and LMDB wants one a process.
int recover(const config::Config& config, bool twice) {
  auto contents = read_spool(config, false);
  if (!contents) {
    fmt::print("failed\trecovery\t{}\n", plain(describe(contents.error())));
    return 1;
  }
  print(*contents);
  if (!twice) return 0;
  auto again = read_spool(config, true);
  if (!again) {
    fmt::print("failed\trecovery\tthe second: {}\n", plain(describe(again.error())));
    return 1;
  }
  if (again->messages != contents->messages) {
    fmt::print("failed\trecovery\tthe second finds {} messages or other states, the first {}\n",
               again->messages.size(), contents->messages.size());
    return 1;
  }
  return 0;
}

// Says "ok" or "failed" in the child's place where it could not.
void recover_apart(const config::Config& config, bool twice) {
  std::fflush(stdout);
  const pid_t child = ::fork();
  if (child < 0) stop(71, "fork");
  if (child == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    const int status = recover(config, twice);
    std::fflush(stdout);
    std::_Exit(status);
  }
  constexpr unsigned patience_s = 60;
  const int descriptor = static_cast<int>(::syscall(SYS_pidfd_open, child, 0));
  pollfd ended{descriptor, POLLIN, 0};
  const bool hangs = ::poll(&ended, 1, patience_s * 1000) == 0;
  if (hangs) ::kill(child, SIGKILL);
  ::close(descriptor);
  int status = 0;
  ::waitpid(child, &status, 0);
  if (hangs) {
    fmt::print("failed\trecovery\tno end after {} s\n", patience_s);
  } else if (WIFSIGNALED(status)) {
    fmt::print("failed\trecovery\tkilled by signal {}\n", WTERMSIG(status));
  } else if (WEXITSTATUS(status) == 0) {
    fmt::print("ok\n");
  }
}

void examine(const Options& options, const config::Config& config, const std::string& image,
             bool twice) {
  const std::string& file_system = options.text("file-system");
  auto mounted = std::make_unique<Result<MountedImage>>(
      MountedImage::mount(image, file_system, options.text("mount")));
  // Half of ext4's own superblock, 1024 bytes with a checksum, is there: it has copies.
  if (!*mounted && options.number("torn") == 512 && file_system == "ext4") {
    const std::string repair =
        fmt::format("PATH=$PATH:/sbin e2fsck -fy '{}' >/dev/null 2>&1", image);
    fmt::print("repaired\t{} (e2fsck: {})\n", plain(describe(mounted->error())),
               WEXITSTATUS(std::system(repair.c_str())));
    mounted = std::make_unique<Result<MountedImage>>(
        MountedImage::mount(image, file_system, options.text("mount")));
  }
  if (!*mounted) {
    fmt::print("failed\tmount\t{}\n", plain(describe(mounted->error())));
    return;
  }
  recover_apart(config, twice);
  std::fflush(stdout);
  must((*mounted)->unmount(), "unmount");
}

std::vector<ChosenCut> cuts_of(const Options& options, const EventTimes& record) {
  if (!options.text("only").empty()) {
    std::istringstream words(options.text("only"));
    std::uint64_t event = 0;
    words >> event;
    std::vector<std::string> kind;
    for (std::string word; words >> word;) kind.push_back(word);
    return {{event, must(disk::PowerCut::parse(kind), "--only")}};
  }
  return choose_cuts(record, static_cast<std::size_t>(options.number("cuts")),
                     options.number("from"), static_cast<std::uint64_t>(options.number("torn")),
                     static_cast<std::uint64_t>(options.number("seed")));
}

int sweep(const Options& options) {
  auto config = config::load(options.text("config"));
  if (!config) stop(78, config.error().front().describe());
  must(hide_mounts(), "mounts");
  const std::string& record = options.text("record");
  const EventTimes times = must(times_of(record), "record");
  fmt::print("events\t{}\t{}\n", times.times.size(), std::filesystem::file_size(record));
  const std::string image = options.text("work") + "/image";
  disk::Replay replay = must(
      disk::Replay::open(record, record + ".base", options.text("work") + "/durable"), "replay");
  std::int64_t number = 0;
  for (const ChosenCut& cut : cuts_of(options, times)) {
    must(replay.advance(cut.event), "replay");
    must(replay.write_image(cut.cut, image), "image");
    const std::int64_t next = cut.event < times.times.size() ? times.times[cut.event] : INT64_MAX;
    fmt::print("cut\t{}\t{}\t{}\t{}\n", cut.event, next, cut.cut.text(), replay.unflushed());
    const std::int64_t every = options.number("twice-every");
    examine(options, *config, image, every > 0 && ++number % every == 0);
    std::fflush(stdout);
  }
  return 0;
}
}  // namespace

}  // namespace brevdue::powerloss

int main(int count, char** words) {
  return brevdue::powerloss::sweep(brevdue::powerloss::parse(count, words));
}
