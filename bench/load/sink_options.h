// What brevdue-sink is asked to do, and its command line.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "bench/load/sink_faults.h"
#include "core/error.h"

namespace brevdue::load {

struct SinkOptions {
  std::string listen = "127.0.0.1:0";
  std::string hostname = "sink.load.test";
  std::string book;
  std::string control;  // path of a Unix socket
  std::vector<Fault> faults;
  std::uint64_t seed = 1;
  std::chrono::milliseconds latency{0};  // before every reply
  bool pipelining = true;
  bool eight_bit = true;
  bool utf8 = true;
  bool dsn = true;
  bool enhanced_codes = true;
  bool announce_size = true;
  std::uint64_t size_limit = 0;                   // bytes; 0: none
  std::uint64_t max_messages_per_connection = 0;  // then 421; 0: no limit
  std::uint64_t until = 0;                        // end after so many messages; 0: never
  bool throughput = false;                        // count only, do not verify
};

// Fails with the line to print; `help` is set for --help.
Result<SinkOptions> parse_sink_options(const std::vector<std::string_view>& arguments, bool& help);

std::string_view sink_help();

}  // namespace brevdue::load
