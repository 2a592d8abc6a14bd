// brevdue-store-bench: one measurement of one store, or of the bare loop under it, as JSON. run
// makes tables of many.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <sysexits.h>

#include "bench/load/argument_reader.h"
#include "bench/store/bare_write.h"
#include "bench/store/measurement.h"
#include "bench/store/named_queue.h"
#include "bench/store/writers.h"

namespace brevdue::bench {

namespace {
constexpr std::string_view help_text =
    R"(brevdue-store-bench: durable messages a second of one store, through the queue.

  brevdue-store-bench [options]

  --directory DIR   where the store is made, and removed at the end (.)
  --second DIR      on another disk: a mirror of two stores, one in each (none)
  --device DEV      the block device to count on (that of the directory; must be named on btrfs)
  --system NAME     iouring, iouring-pwritev2, lmdb, maildir, maildir-fsync, maildir-syncfs, or
                    bare: a bare io_uring loop that writes batches of the same size (iouring)
  --workload NAME   intake: messages stay; the store has taken in half as many more before,
                            and lost them
                    growth: messages stay; the store is new
                    relay: each is discarded in the batch of the writer's next (intake)
  --writers N       messages under way at a time (64)
  --size BYTES      of each content (4096)
  --depth N         batches in flight, of bare only (1)
  --seconds S       to measure (2)
  --most MIB        of content, after which the measurement ends before its time (1024)

Before the measurement the same load runs for half as long again (relay: for as long, at least a
second), and the device comes to rest; then, and for growth at once, it runs for a tenth of the
time.
Prints one JSON object: seconds, processor_seconds of all threads, messages, batches, batch_bytes of
bare; writes, flushes and bytes as the kernel counts them (an explicit flush is a write too);
p50_us, p99_us and max_us from enqueueing to the answer (of bare: of a batch).

Exit: 0 done; 1 the store failed; 64 bad arguments.
)";

// Written over and over; larger than what a device may keep in its cache for one batch.
constexpr std::uint64_t bare_file_size = std::uint64_t{256} << 20;
// A device without a write for so long is at rest; what never rests is not waited for.
constexpr std::chrono::milliseconds quiet{200};
constexpr unsigned quiet_attempts = 50;
// Until space comes back as fast as it is used.
constexpr std::chrono::nanoseconds relay_warm_up = std::chrono::seconds(1);

struct Settings {
  std::string directory = ".";
  std::string second;
  std::string device;
  std::string system = "iouring";
  std::string workload = "intake";
  unsigned writers = 64;
  std::size_t size = 4096;
  unsigned depth = 1;
  double seconds = 2;
  std::uint64_t most_mib = 1024;
  bool help = false;

  std::chrono::nanoseconds time() const {
    return std::chrono::nanoseconds(static_cast<std::int64_t>(seconds * 1e9));
  }
  std::uint64_t messages() const { return std::max<std::uint64_t>((most_mib << 20) / size, 1); }
};

Result<void> take(load::ArgumentReader& in, Settings& settings) {
  using load::store;
  if (in.name() == "--directory") return store(in.text(), settings.directory);
  if (in.name() == "--second") return store(in.text(), settings.second);
  if (in.name() == "--device") return store(in.text(), settings.device);
  if (in.name() == "--system") return store(in.text(), settings.system);
  if (in.name() == "--workload") return store(in.text(), settings.workload);
  if (in.name() == "--writers") return store(in.number(1u, 4096u), settings.writers);
  if (in.name() == "--size") return store(in.number<std::size_t>(1, 1u << 20), settings.size);
  if (in.name() == "--depth") return store(in.number(1u, 8u), settings.depth);
  if (in.name() == "--seconds") return store(in.number(0.01, 3600.0), settings.seconds);
  if (in.name() == "--most") {
    return store(in.number<std::uint64_t>(1, 1u << 20), settings.most_mib);
  }
  if (in.name() != "--help") return in.unknown();
  settings.help = true;
  return {};
}

Result<void> check(const Settings& settings) {
  const bool known = settings.workload == "intake" || settings.workload == "growth" ||
                     settings.workload == "relay";
  if (!known) {
    return fail(ErrorCode::invalid_argument,
                fmt::format("--workload {}: intake, growth or relay", settings.workload));
  }
  if (settings.depth != 1 && settings.system != "bare") {
    return fail(ErrorCode::invalid_argument, "--depth: a store decides itself, it is for bare");
  }
  if (!settings.second.empty() && settings.system == "bare") {
    return fail(ErrorCode::invalid_argument,
                "--second: a mirror is of stores, not of the bare loop");
  }
  return {};
}

// For what a store makes ahead in the background, or clears after messages were discarded.
void wait_until_quiet(const std::string& device) {
  std::uint64_t writes = device_counts(device).writes;
  for (unsigned i = 0; i < quiet_attempts; ++i) {
    std::this_thread::sleep_for(quiet);
    if (writes == std::exchange(writes, device_counts(device).writes)) return;
  }
}

Measurement measure_store(const Settings& settings) {
  NamedQueue queue(settings.directory, settings.system, settings.second);
  const bool relay = settings.workload == "relay";
  Writers writers(queue, settings.writers, settings.size, relay ? none_stays : all_stay);
  writers.start();
  if (settings.workload != "growth") {
    writers.run_for(relay ? std::max(settings.time(), relay_warm_up) : settings.time() * 3 / 2,
                    settings.messages() * 3 / 2);
    writers.stop();
    writers.discard_staying();
    wait_until_quiet(settings.device);
    writers.start();
  }
  writers.run_for(settings.time() / 10, settings.messages());
  const std::uint64_t messages = writers.durable();
  const std::uint64_t batches = queue.queue().statistics().batches;
  writers.forget_latencies();
  const Meter meter(settings.device);
  writers.run_for(settings.time(), settings.messages());
  Measurement measurement = meter.read();
  measurement.messages = writers.durable() - messages;
  measurement.batches = queue.queue().statistics().batches - batches;
  measurement.latencies = writers.latencies();
  writers.stop();
  return measurement;
}

Measurement measure_bare(const Settings& settings) {
  const BareBatches batches(settings.writers, settings.size, settings.depth);
  BareWrite bare(settings.directory, bare_file_size, batches);
  bare.start();
  const auto run_for = [&](std::chrono::nanoseconds time, load::LatencyHistogram& latencies) {
    const auto end = std::chrono::steady_clock::now() + time;
    while (std::chrono::steady_clock::now() < end) {
      latencies.add(static_cast<std::uint64_t>(bare.next() / std::chrono::microseconds(1)));
    }
  };
  load::LatencyHistogram warming_up;
  run_for(settings.time() / 10, warming_up);
  const Meter meter(settings.device);
  load::LatencyHistogram latencies;
  run_for(settings.time(), latencies);
  Measurement measurement = meter.read();
  measurement.batches = latencies.count();
  measurement.messages = measurement.batches * batches.messages;
  measurement.batch_bytes = batches.bytes;
  measurement.latencies = latencies;
  bare.stop();
  return measurement;
}

int run(const std::vector<std::string_view>& arguments) {
  Settings settings;
  load::ArgumentReader in(arguments);
  Result<void> good;
  while (good && in.next()) good = take(in, settings);
  if (good) good = check(settings);
  if (!good) {
    fmt::print(stderr, "brevdue-store-bench: {}\n", good.error().context);
    return EX_USAGE;
  }
  if (settings.help) {
    fmt::print("{}", help_text);
    return EX_OK;
  }
  if (settings.device.empty()) settings.device = settings.directory;
  try {
    const bool bare = settings.system == "bare";
    fmt::print("{}\n", as_json(bare ? measure_bare(settings) : measure_store(settings)));
    return EX_OK;
  } catch (const std::exception& error) {
    fmt::print(stderr, "brevdue-store-bench: {}\n", error.what());
    return EXIT_FAILURE;
  }
}
}  // namespace

}  // namespace brevdue::bench

int main(int argc, char** argv) {
  return brevdue::bench::run({argv + 1, argv + argc});
}
