// brevdue-store-bench: durable messages of 4 KiB a second, by backend and by number of logical
// writers, with what each batch costs the device. The directory is that of --directory=PATH or
// BREVDUE_BENCH_DIRECTORY, else the current one; what counts is the file system it lies on.
#include <chrono>
#include <cstdlib>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>
#include <sys/resource.h>

#include "bench/store/bare_write.h"
#include "bench/store/device_counts.h"
#include "bench/store/named_store.h"
#include "bench/store/writers.h"

namespace brevdue::bench {

namespace {
constexpr std::size_t message_size = 4096;
// Until caches are warm and what a store prepares in the background is there.
constexpr std::uint64_t warm_up = 2'000;
constexpr std::chrono::seconds warm_up_time{1};

double processor_seconds() {
  rusage used;
  ::getrusage(RUSAGE_SELF, &used);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
  };
  return seconds(used.ru_utime) + seconds(used.ru_stime);
}

void report(benchmark::State& state, std::uint64_t messages, std::uint64_t batches,
            const DeviceCounts& counts, double processor) {
  const auto per_batch = [&](std::uint64_t count) {
    return static_cast<double>(count) / static_cast<double>(batches);
  };
  state.SetItemsProcessed(static_cast<std::int64_t>(messages));
  state.counters["msg/batch"] = per_batch(messages);
  state.counters["wr/batch"] = per_batch(counts.writes);
  state.counters["fl/batch"] = per_batch(counts.flushes);
  state.counters["B/msg"] = static_cast<double>(counts.bytes) / static_cast<double>(messages);
  state.counters["cpu_us/msg"] = processor * 1e6 / static_cast<double>(messages);
}

void store_benchmark(benchmark::State& state, const std::string& directory,
                     const std::string& backend) {
  NamedStore named(directory, backend);
  Writers writers(named.store(), static_cast<unsigned>(state.range(0)), message_size);
  writers.start();
  std::uint64_t first = writers.run_until(warm_up);
  const auto warm_at = std::chrono::steady_clock::now() + warm_up_time;
  while (std::chrono::steady_clock::now() < warm_at) first = writers.run_until(first + 1);
  const std::uint64_t first_batch = writers.batches();
  const DeviceCounts before = device_counts(directory);
  const double processor = processor_seconds();
  std::uint64_t wanted = first;
  std::uint64_t done = first;
  for (auto iteration : state) {
    if (++wanted > done) done = writers.run_until(wanted);
  }
  const double used = processor_seconds() - processor;
  const DeviceCounts counts = device_counts(directory) - before;
  report(state, done - first, writers.batches() - first_batch, counts, used);
  writers.finish();
}

void bare_benchmark(benchmark::State& state, const std::string& directory) {
  const auto per_batch = static_cast<unsigned>(state.range(0));
  BareWrite file(directory, 64u << 20);
  const DeviceCounts before = device_counts(directory);
  const double processor = processor_seconds();
  std::uint64_t messages = 0;
  std::uint64_t wanted = 0;
  for (auto iteration : state) {
    if (++wanted <= messages) continue;
    file.write(per_batch, message_size);
    messages += per_batch;
  }
  const double used = processor_seconds() - processor;
  report(state, messages, messages / per_batch, device_counts(directory) - before, used);
}

std::string take_directory(int& argc, char** argv) {
  const char* named = std::getenv("BREVDUE_BENCH_DIRECTORY");
  std::string directory = named != nullptr ? named : ".";
  constexpr std::string_view flag = "--directory=";
  int kept = 1;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument.starts_with(flag)) {
      directory = argument.substr(flag.size());
    } else {
      argv[kept++] = argv[i];
    }
  }
  argc = kept;
  return directory;
}
}  // namespace

int run(int argc, char** argv) {
  const std::string directory = take_directory(argc, argv);
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 64;
  const auto configure = [](benchmark::internal::Benchmark* one) {
    one->Arg(1)->Arg(8)->Arg(64)->UseRealTime()->Unit(benchmark::kMicrosecond);
  };
  configure(benchmark::RegisterBenchmark(
      "bare", [directory](benchmark::State& state) { bare_benchmark(state, directory); }));
  for (const char* backend : {"iouring", "iouring-pwritev2", "lmdb", "maildir"}) {
    configure(benchmark::RegisterBenchmark(
        backend, [directory, name = std::string(backend)](benchmark::State& state) {
          store_benchmark(state, directory, name);
        }));
  }
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}

}  // namespace brevdue::bench

int main(int argc, char** argv) {
  return brevdue::bench::run(argc, argv);
}
