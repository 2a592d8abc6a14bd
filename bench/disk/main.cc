// brevdue-disk: the command line.
#include <cstdint>
#include <cstdio>
#include <functional>
#include <iostream>
#include <limits>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <sysexits.h>

#include "bench/disk/control_client.h"
#include "bench/disk/replay.h"
#include "bench/disk/serve.h"
#include "bench/disk/units.h"

namespace {

using namespace brevdue;
using namespace brevdue::disk;

int exit_code(const Error& error) {
  switch (error.code) {
    case ErrorCode::invalid_argument:
      return EX_USAGE;
    case ErrorCode::corrupt:
    case ErrorCode::unsupported:
      return EX_DATAERR;
    case ErrorCode::not_found:
      return EX_NOINPUT;
    case ErrorCode::already_exists:
      return EX_CANTCREAT;
    case ErrorCode::busy:
      return EX_TEMPFAIL;
    case ErrorCode::unavailable:
      return EX_UNAVAILABLE;
    case ErrorCode::permission:
      return EX_NOPERM;
    default:
      return EX_IOERR;
  }
}

int complain(const Error& error) {
  std::cerr << "brevdue-disk: " << describe(error) << '\n';
  return exit_code(error);
}

// Lets an option be written as people write sizes and times.
template <class T>
CLI::Option* parsed_option(CLI::App& app, const std::string& name, T& value,
                           Result<T> (*parse)(std::string_view), const std::string& help) {
  return app.add_option_function<std::string>(
      name,
      [&value, parse](const std::string& text) {
        auto parsed = parse(text);
        if (!parsed) throw CLI::ValidationError(parsed.error().context);
        value = *parsed;
      },
      help);
}

struct Arguments {
  ServeOptions serve;
  bool forgetful = false;
  std::uint64_t cache = 64 << 20;
  std::chrono::nanoseconds slow{0};
  std::string socket;
  std::vector<std::string> command;
  std::string record, base, out;
  std::uint64_t upto = std::numeric_limits<std::uint64_t>::max();
  std::uint64_t subset = 0, torn = 0;
  bool drop = false, marks_only = false;
};

CLI::App* add_serve(CLI::App& app, Arguments& args) {
  auto* sub = app.add_subcommand("serve", "Serve IMAGE as MOUNT/disk, to put a loop device on");
  sub->footer(
      "Then: losetup --direct-io=on -f --show MOUNT/disk (with-disk does all of it).\n"
      "Without further options it passes everything through and counts. --slow, --forgetful and\n"
      "--record can be combined; faults, stalls and power cuts come through the control channel.");
  auto& serve = args.serve;
  sub->add_option("image", serve.image, "The image file")->required();
  sub->add_option("mount", serve.mount, "An empty directory")->required();
  sub->add_option("--control", serve.control, "Unix socket of the control channel")->required();
  parsed_option(*sub, "--size", serve.size, parse_size, "Make IMAGE new, of this size, zeros")
      ->type_name("SIZE");
  sub->add_flag("--sparse", serve.sparse, "Leave the new image sparse instead of writing it");
  sub->add_option("--record", serve.record, "Record every write and flush in this new file");
  serve.record_limit = std::uint64_t{8} << 30;
  parsed_option(*sub, "--record-limit", serve.record_limit, parse_size,
                "Its greatest length (8G); then every write fails")
      ->type_name("SIZE");
  sub->add_flag("--forgetful", args.forgetful, "Volatile write cache: only a flush makes durable");
  parsed_option(*sub, "--cache", args.cache, parse_size, "Its size (64M); full, it writes back")
      ->type_name("SIZE");
  parsed_option(*sub, "--slow", args.slow, parse_duration, "Cost of each write and each flush")
      ->type_name("TIME");
  auto& cost = serve.disk.cost;
  parsed_option(*sub, "--write-cost", cost.write, parse_duration, "Cost of a write (0)")
      ->type_name("TIME");
  parsed_option(*sub, "--flush-cost", cost.flush, parse_duration, "Cost of a flush (0)")
      ->type_name("TIME");
  parsed_option(*sub, "--read-cost", cost.read, parse_duration, "Cost of a read (0)")
      ->type_name("TIME");
  parsed_option(*sub, "--bandwidth", cost.bytes_per_second, parse_size,
                "Bytes a second, on top of the costs (no limit)")
      ->type_name("SIZE");
  sub->add_flag("--sync-image", serve.disk.sync_medium, "A flush also syncs IMAGE on the host");
  sub->add_flag("--background", serve.background, "Return once it is ready");
  return sub;
}

CLI::App* add_control(CLI::App& app, Arguments& args) {
  auto* sub = app.add_subcommand("control", "Send a command to a disk that is being served");
  sub->footer(
      "Commands: stats | mark TEXT | cut [drop|keep|subset SEED|torn SEED 512|4096] |\n"
      "  fail read|write|flush N ERRNO (N: 3, all, @3 the third, @3+ from the third on) |\n"
      "  damage OFFSET LENGTH [SEED] | stall MS | heal | quit\n"
      "Exit: 0 ok, 1 the disk answered with an error, 69 no disk there.");
  sub->add_option("socket", args.socket, "Its control socket")->required();
  sub->add_option("command", args.command, "The command; without one, lines of standard input")
      ->allow_extra_args();
  sub->positionals_at_end();
  return sub;
}

CLI::App* add_replay(CLI::App& app, Arguments& args) {
  auto* sub = app.add_subcommand("replay", "Make the image after a power cut at point N");
  sub->footer(
      "All that a flush before N covers is there. Of the writes after that flush: all up to N "
      "(the\n"
      "default), none (--drop), a random subset, or a random subset with torn sectors.");
  sub->add_option("record", args.record, "A record made with --record")->required();
  sub->add_option("--base", args.base, "The image when the record began (default: zeros)");
  sub->add_option("--out", args.out, "The image to make")->required();
  sub->add_option("--upto", args.upto, "How many events happened (default: all)");
  sub->add_flag("--drop", args.drop, "Lose what no flush covers");
  auto* subset = sub->add_option("--subset", args.subset, "Keep a random subset, by this seed");
  sub->add_option("--torn", args.torn, "And tear writes at sectors of this size")
      ->check(CLI::IsMember({512, 4096}))
      ->needs(subset);
  return sub;
}

CLI::App* add_show(CLI::App& app, Arguments& args) {
  auto* sub = app.add_subcommand("show", "Print a record as text, one event a line");
  sub->add_option("record", args.record, "A record made with --record")->required();
  sub->add_option("--upto", args.upto, "Stop after this many events");
  sub->add_flag("--marks", args.marks_only, "Only the texts of the marks");
  return sub;
}

int run_serve(const CLI::App& sub, Arguments& args) {
  auto& options = args.serve.disk;
  if (args.forgetful) options.cache_bytes = args.cache;
  if (sub.count("--slow") != 0) {
    if (sub.count("--write-cost") == 0) options.cost.write = args.slow;
    if (sub.count("--flush-cost") == 0) options.cost.flush = args.slow;
  }
  auto served = serve(args.serve);
  return served ? EX_OK : complain(served.error());
}

int send_command(ControlClient& client, const std::string& command) {
  auto answer = client.request(command);
  if (!answer) return complain(answer.error());
  std::cout << *answer << std::endl;
  return answer->starts_with("ok") ? 0 : 1;
}

int run_control(const Arguments& args) {
  auto client = ControlClient::connect(args.socket);
  if (!client) return complain(client.error());
  if (!args.command.empty()) {
    return send_command(*client, fmt::format("{}", fmt::join(args.command, " ")));
  }
  int worst = 0;
  for (std::string line; std::getline(std::cin, line);) {
    worst = std::max(worst, send_command(*client, line));
  }
  return worst;
}

int run_replay(const CLI::App& sub, const Arguments& args) {
  const PowerCut cut = args.drop                    ? PowerCut::drop()
                       : args.torn != 0             ? PowerCut::torn(args.subset, args.torn)
                       : sub.count("--subset") != 0 ? PowerCut::subset(args.subset)
                                                    : PowerCut::keep();
  auto replay = Replay::open(args.record, args.base, args.out);
  if (!replay) return complain(replay.error());
  auto events = replay->advance(args.upto);
  if (!events) return complain(events.error());
  const auto unflushed = replay->unflushed();
  auto finished = replay->finish(cut);
  if (!finished) return complain(finished.error());
  fmt::print("events={} unflushed_writes={} kept=\"{}\" marks={}\n", *events, unflushed, cut.text(),
             replay->marks().size());
  return EX_OK;
}

void print_event(const Event& event) {
  fmt::print("{} {:.6f} {}", event.index, static_cast<double>(event.time) / 1e9,
             name_of(event.type));
  if (event.type == EventType::write) {
    fmt::print(" offset={} length={}{}{}", event.range.offset, event.range.length,
               event.zeros ? " zeros" : "", event.through ? " through" : "");
  }
  fmt::print("{}{}\n", event.text.empty() ? "" : " ", event.text);
}

int run_show(const Arguments& args) {
  auto reader = RecordReader::open(args.record);
  if (!reader) return complain(reader.error());
  if (!args.marks_only) fmt::print("# disk of {} bytes\n", reader->header().disk_size);
  for (std::uint64_t i = 0; i < args.upto; ++i) {
    auto event = reader->next();
    if (!event) return complain(event.error());
    if (!event->has_value()) {
      if (!args.marks_only && !reader->ended()) fmt::print("# no end: the disk was killed\n");
      break;
    }
    if (!args.marks_only) {
      print_event(**event);
    } else if ((*event)->type == EventType::mark) {
      fmt::print("{}\n", (*event)->text);
    }
  }
  return EX_OK;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("A disk to test and measure on: it records, forgets, takes its time and fails.",
               "brevdue-disk");
  app.require_subcommand(1);
  app.footer("Exit: sysexits (64 usage, 65 damaged record, 69 no disk there, 74 I/O error).");
  Arguments args;
  const auto* serve = add_serve(app, args);
  const auto* control = add_control(app, args);
  const auto* replay = add_replay(app, args);
  const auto* show = add_show(app, args);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? EX_OK : EX_USAGE;
  }
  if (serve->parsed()) return run_serve(*serve, args);
  if (control->parsed()) return run_control(args);
  if (replay->parsed()) return run_replay(*replay, args);
  static_cast<void>(show);
  return run_show(args);
}
