// Reads what follows 354: finds the end of the data, takes the dot-stuffing off, is strict about
// line ends, and gathers the facts about the content in the same pass.
//
// RFC 5321 4.1.1.4: only CRLF "." CRLF ends the data (the first line may be the dot itself). A CR
// or LF that is not part of CRLF (2.3.8) or a NUL (RFC 5322 4.1) never ends anything: it makes the
// content faulty, and the codec then produces nothing more but reads on to the true end, so that
// nothing a client sends as content is ever taken for commands. Input may be cut anywhere; what
// comes out does not depend on where. Pure. Counts are bytes, without the CRC, which the owner of
// the output block computes.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "smtp/byte_masks.h"

namespace brevdue::smtp {

enum class ContentFault : std::uint8_t { none, bare_cr, bare_lf, nul, too_large };

struct ContentScan {
  std::uint64_t size = 0;  // of the content produced so far
  // Up to and with the empty line; nothing while it has not come.
  std::optional<std::uint64_t> header_length;
  std::uint64_t longest_line = 0;              // without CRLF
  std::optional<std::uint64_t> message_id_at;  // where the first Message-ID field starts
  unsigned received_fields = 0;
  bool eight_bit = false;
};

class ContentCodec {
 public:
  // The content of one message may not be larger than `size_limit`.
  explicit ContentCodec(std::uint64_t size_limit) : size_limit_(size_limit) {}

  struct Progress {
    std::size_t consumed;  // of the input; less than all only at the end of the data
    std::size_t produced;  // into the output
  };

  // `out` has room for input.size() + 1 bytes. Must not be called again once ended().
  Progress feed(std::string_view input, char* out);

  bool ended() const { return ended_; }
  ContentFault fault() const { return fault_; }
  // Gives the message up for a reason of the owner's: from here on nothing is produced.
  void discard() { discarding_ = true; }
  const ContentScan& scan() const { return scan_; }
  // Bytes taken in, for the log.
  std::uint64_t received() const { return received_; }

 private:
  enum class Place : std::uint8_t { line_start, in_line, after_cr, after_dot, after_dot_cr };
  struct Cursor;

  void resume_after_dot(Cursor& at);
  BREVDUE_WIDE_VECTORS void scan_run(Cursor& at);
  bool scan_block(Cursor& at, std::size_t size);
  void note_line_ends(const Cursor& at, std::uint64_t ends);
  void end_line(std::uint64_t length, std::uint64_t next_line_at);
  void begin_field(const char* at, std::size_t available, std::uint64_t offset);
  void continue_field(const char* at, std::size_t available);
  void recognise_field(const char* name);
  void fail_with(ContentFault fault);
  void flush_run(Cursor& at, std::size_t to);

  static constexpr std::size_t field_name_bytes = 11;  // "message-id:"

  std::uint64_t size_limit_;
  std::uint64_t received_ = 0;
  std::uint64_t line_length_ = 0;  // bytes of the current line that came before this block
  ContentScan scan_;
  std::array<char, field_name_bytes> field_{};  // the start of a header line that was cut
  std::size_t field_size_ = 0;
  std::uint64_t field_at_ = 0;
  bool field_open_ = false;
  bool first_line_ = true;
  Place place_ = Place::line_start;
  ContentFault fault_ = ContentFault::none;
  bool discarding_ = false;
  bool ended_ = false;
};

}  // namespace brevdue::smtp
