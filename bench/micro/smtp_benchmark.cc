// What the SMTP server costs without a network: the content codec alone, and whole messages through
// the pure session.
#include <memory>
#include <string>

#include <benchmark/benchmark.h>

#include "bench/micro/discard_reception.h"
#include "core/crc32c.h"
#include "smtp/content_codec.h"
#include "smtp/server_session.h"

namespace brevdue::bench {

// A header and lines of `line_bytes`, `size` bytes in all, then the end of the data.
static std::string content(std::size_t size, std::size_t line_bytes) {
  std::string text = "From: <a@example.org>\r\nMessage-ID: <1@example.org>\r\nSubject: x\r\n\r\n";
  while (text.size() < size) {
    text.append(std::min(line_bytes, size - text.size()), 'x');
    text += "\r\n";
  }
  return text + ".\r\n";
}

static void decode_content(benchmark::State& state) {
  const std::string text =
      content(static_cast<std::size_t>(state.range(0)), static_cast<std::size_t>(state.range(1)));
  std::string out(text.size() + 1, '\0');
  for (auto _ : state) {
    smtp::ContentCodec codec(UINT64_MAX);
    const auto progress = codec.feed(text, out.data());
    benchmark::DoNotOptimize(crc32c(out.data(), progress.produced));
    if (!codec.ended()) state.SkipWithError("the content has no end");
  }
  state.SetBytesProcessed(
      static_cast<std::int64_t>(static_cast<std::size_t>(state.iterations()) * text.size()));
}
BENCHMARK(decode_content)->ArgsProduct({{4096, 65536}, {40, 78, 998}});

static void whole_message(benchmark::State& state) {
  const std::string text = content(static_cast<std::size_t>(state.range(0)), 78);
  const SystemClock clock;
  DiscardReception reception(clock);
  smtp::ServerOptions options;
  options.hostname = "mx.example.org";
  options.mynetworks = *smtp::Networks::parse({"127.0.0.0/8"});
  const auto session = std::make_shared<smtp::ServerSession>(
      options, reception, clock, *smtp::IpAddress::parse("127.0.0.1"), [] {});
  const auto say = [&](std::string_view bytes) {
    session->receive(bytes);
    session->output_taken();
  };
  session->greet();
  session->output_taken();
  say("EHLO client.example.org\r\n");
  for (auto _ : state) {
    say("MAIL FROM:<sender@example.org> SIZE=4096\r\nRCPT TO:<user@example.net>\r\nDATA\r\n");
    say(text);
  }
  if (reception.messages() != static_cast<std::uint64_t>(state.iterations())) {
    state.SkipWithError("not every message was taken");
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(whole_message)->Arg(4096)->Arg(65536);

}  // namespace brevdue::bench

BENCHMARK_MAIN();
