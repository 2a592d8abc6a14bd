// What ContentCodec does, once more, byte by byte and without a care for speed.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "smtp/content_codec.h"

namespace brevdue::smtp {

struct ReferenceContent {
  std::string content;
  std::size_t consumed = 0;
  bool ended = false;
  ContentFault fault = ContentFault::none;
  ContentScan scan;
};

inline bool starts_with_ignoring_case(std::string_view text, std::string_view lower) {
  if (text.size() < lower.size()) return false;
  for (std::size_t i = 0; i < lower.size(); ++i) {
    const char c = text[i];
    if ((c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c) != lower[i]) return false;
  }
  return true;
}

// Only complete content has a scan: of a prefix it could not be told apart from what is to come.
inline ReferenceContent read_content(std::string_view in) {
  ReferenceContent out;
  const auto fail = [&](ContentFault fault) {
    if (out.fault == ContentFault::none) out.fault = fault;
  };
  bool line_start = true;
  for (std::size_t i = 0; i < in.size() && !out.ended; ++i) {
    if (line_start && in[i] == '.') {
      if (in.substr(i, 3) == ".\r\n") {
        out.ended = true;
        out.consumed = i + 3;
        break;
      }
      line_start = false;
      continue;
    }
    line_start = false;
    if (in[i] == '\n' && (i == 0 || in[i - 1] != '\r')) fail(ContentFault::bare_lf);
    if (in[i] == '\n' && i > 0 && in[i - 1] == '\r') line_start = true;
    if (in[i] != '\n' && i > 0 && in[i - 1] == '\r') fail(ContentFault::bare_cr);
    if (in[i] == 0) fail(ContentFault::nul);
    out.content.push_back(in[i]);
  }
  // A dot that ends the input could still be the end.
  if (!out.ended) {
    out.consumed = in.size();
    return out;
  }
  std::size_t from = 0;
  while (from < out.content.size()) {
    const auto end = out.content.find("\r\n", from);
    if (end == std::string::npos) break;
    const auto line = std::string_view(out.content).substr(from, end - from);
    out.scan.longest_line = std::max<std::uint64_t>(out.scan.longest_line, line.size());
    if (!out.scan.header_length) {
      if (line.empty()) out.scan.header_length = end + 2;
      if (starts_with_ignoring_case(line, "received:")) ++out.scan.received_fields;
      if (!out.scan.message_id_at && starts_with_ignoring_case(line, "message-id:")) {
        out.scan.message_id_at = from;
      }
    }
    from = end + 2;
  }
  out.scan.size = out.content.size();
  for (const char c : out.content) out.scan.eight_bit |= static_cast<unsigned char>(c) > 127;
  return out;
}

// Runs the codec over `in`, cut where `next_piece` says.
template <class NextPiece>
ReferenceContent run_codec(std::string_view in, NextPiece next_piece) {
  ReferenceContent out;
  ContentCodec codec(UINT64_MAX);
  while (out.consumed < in.size() && !codec.ended()) {
    const std::string_view piece = in.substr(out.consumed, next_piece());
    std::string buffer(piece.size() + 1, '\0');
    const auto [consumed, produced] = codec.feed(piece, buffer.data());
    out.consumed += consumed;
    out.content.append(buffer, 0, produced);
  }
  out.ended = codec.ended();
  out.fault = codec.fault();
  out.scan = codec.scan();
  return out;
}

}  // namespace brevdue::smtp
