// The reply parser: the same result however the input is cut, bounded and printable.
#include <cstdlib>

#include "smtp/reply_parser.h"

using brevdue::smtp::ReplyParser;

namespace {
struct Reading {
  std::string texts;
  bool broken = false;
};

Reading read(std::string_view input, std::size_t block) {
  Reading reading;
  ReplyParser parser;
  while (!input.empty()) {
    std::string_view part = input.substr(0, block);
    input.remove_prefix(part.size());
    while (!part.empty()) {
      const auto progress = parser.feed(part);
      if (progress.status == ReplyParser::Status::broken) {
        reading.broken = true;
        return reading;
      }
      part.remove_prefix(progress.consumed);
      if (progress.status == ReplyParser::Status::incomplete) continue;
      const auto& reply = parser.reply();
      if (reply.text.size() > 512 || reply.lines.size() > ReplyParser::reply_bytes_max)
        std::abort();
      if (reply.code < 200 || reply.code > 599) std::abort();
      for (const char c : reply.text) {
        if (c < 0x20 || c == 0x7f) std::abort();
      }
      reading.texts += reply.text + "|" + reply.enhanced + "\n";
    }
  }
  return reading;
}
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* bytes, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(bytes), size);
  const Reading whole = read(input, size + 1);
  const Reading bytewise = read(input, 1);
  if (whole.texts != bytewise.texts || whole.broken != bytewise.broken) std::abort();
  return 0;
}
