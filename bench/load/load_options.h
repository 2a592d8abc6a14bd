// What brevdue-load is asked to do, and its command line.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.h"

namespace brevdue::load {

struct LoadOptions {
  std::string to;
  unsigned connections = 1;
  std::uint64_t messages = 0;  // 0: no limit
  double seconds = 0;          // 0: no limit
  std::uint64_t smallest = 4096;
  std::uint64_t largest = 4096;
  unsigned recipients = 1;
  std::uint64_t messages_per_connection = 0;  // 0: no limit
  bool pipelining = false;
  double rate = 0;  // messages a second of all connections together; 0: no limit
  unsigned domain_count = 1;
  std::string recipient = "book%r@d%d.load.test";
  std::string from = "book@load.test";
  std::string helo = "load.test";
  std::string book;
  bool progress = false;
  bool json = false;
  bool retry = false;
  std::chrono::seconds timeout{300};  // for one answer
  std::chrono::seconds give_up{30};   // without any answer from the server at all
};

// Fails with the line to print; `help` is set for --help.
Result<LoadOptions> parse_load_options(const std::vector<std::string_view>& arguments, bool& help);

std::string_view load_help();

// %n becomes the message's number, %r the recipient's, %d the domain's (number modulo domains).
std::string expand_recipient(std::string_view pattern, std::uint64_t message, unsigned recipient,
                             unsigned domain_count);

}  // namespace brevdue::load
