#include "smtp/content_codec.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "core/error.h"
#include "smtp/byte_masks.h"

namespace brevdue::smtp {

// One call of feed: `next` is the first byte not looked at, the bytes from `run` to it belong to
// the content and are copied out together.
struct ContentCodec::Cursor {
  const char* in;
  std::size_t size;
  char* out;
  std::size_t next = 0;
  std::size_t run = 0;
  std::size_t produced = 0;
};

void ContentCodec::fail_with(ContentFault fault) {
  // Size is checked a run at a time and runs end where the input was cut: a broken line end or a
  // NUL therefore outranks it, wherever it stands.
  if (fault_ == ContentFault::none ||
      (fault_ == ContentFault::too_large && fault != ContentFault::too_large)) {
    fault_ = fault;
  }
  discarding_ = true;
}

void ContentCodec::flush_run(Cursor& at, std::size_t to) {
  const std::size_t size = to - at.run;
  if (size > 0 && !discarding_) {
    if (scan_.size + size > size_limit_) {
      fail_with(ContentFault::too_large);
    } else {
      std::memcpy(at.out + at.produced, at.in + at.run, size);
      at.produced += size;
      scan_.size += size;
    }
  }
  at.run = to;
}

ContentCodec::Progress ContentCodec::feed(std::string_view input, char* out) {
  BREVDUE_ASSERT(!ended_);
  Cursor at{.in = input.data(), .size = input.size(), .out = out};
  if (field_open_) continue_field(at.in, at.size);
  while (at.next < at.size && !ended_) {
    if (place_ == Place::after_dot || place_ == Place::after_dot_cr) {
      resume_after_dot(at);
    } else {
      scan_run(at);
    }
  }
  received_ += at.next;
  return {.consumed = at.next, .produced = at.produced};
}

// The dot that opened the line is stuffing unless CRLF follows it.
void ContentCodec::resume_after_dot(Cursor& at) {
  const char byte = at.in[at.next];
  if (place_ == Place::after_dot) {
    if (byte == '\r') {
      place_ = Place::after_dot_cr;
      ++at.next;
      return;
    }
    if (!scan_.header_length) begin_field(at.in + at.next, at.size - at.next, scan_.size);
    place_ = Place::in_line;
    at.run = at.next;
    return;
  }
  if (byte == '\n') {
    ended_ = true;
    ++at.next;
    return;
  }
  fail_with(ContentFault::bare_cr);
  place_ = Place::in_line;
  at.run = at.next;
}

BREVDUE_WIDE_VECTORS void ContentCodec::scan_run(Cursor& at) {
  at.run = at.next;
  bool stuffed = false;
  while (!stuffed && at.next < at.size) {
    stuffed = scan_block(at, std::min(mask_block_bytes, at.size - at.next));
  }
  // The dot itself is not content.
  flush_run(at, stuffed ? at.next - 1 : at.next);
}

// Looks at up to 64 bytes; true if it stopped after a dot at the start of a line.
[[gnu::always_inline]] inline bool ContentCodec::scan_block(Cursor& at, std::size_t size) {
  const ByteMasks bytes = masks_of(at.in + at.next, size);
  const std::uint64_t after_cr = bytes.cr << 1 | (place_ == Place::after_cr ? 1u : 0u);
  const std::uint64_t ends = bytes.lf & after_cr;
  const std::uint64_t starts = ends << 1 | (place_ == Place::line_start ? 1u : 0u);
  const std::uint64_t dots = bytes.dot & starts;
  std::uint64_t looked_at =
      size == mask_block_bytes ? ~std::uint64_t{0} : (std::uint64_t{1} << size) - 1;
  std::size_t taken = size;
  if (dots != 0) {
    taken = static_cast<std::size_t>(std::countr_zero(dots));
    looked_at = (std::uint64_t{1} << taken) - 1;
  }
  const std::uint64_t bare_cr = after_cr & ~bytes.lf & looked_at;
  const std::uint64_t bare_lf = bytes.lf & ~after_cr & looked_at;
  const std::uint64_t nul = bytes.nul & looked_at;
  if ((bare_cr | bare_lf | nul) != 0) {
    // The first of them names the fault; a bare CR is seen at the byte after it.
    const std::uint64_t first = (bare_cr | bare_lf | nul) & (~(bare_cr | bare_lf | nul) + 1);
    fail_with((first & bare_cr) != 0   ? ContentFault::bare_cr
              : (first & bare_lf) != 0 ? ContentFault::bare_lf
                                       : ContentFault::nul);
  }
  scan_.eight_bit |= (bytes.high & looked_at) != 0;
  if (first_line_) {
    first_line_ = false;
    if (taken > 0 && !discarding_) begin_field(at.in + at.next, at.size - at.next, 0);
  }
  const std::uint64_t last_end = ends & looked_at;
  if (last_end != 0 && !discarding_) note_line_ends(at, last_end);
  const std::size_t line_from =
      last_end == 0 ? 0 : mask_block_bytes - static_cast<std::size_t>(std::countl_zero(last_end));
  line_length_ = (last_end == 0 ? line_length_ : 0) + (taken - line_from);
  at.next += taken;
  if (dots != 0) {
    ++at.next;
    line_length_ = 0;
    place_ = Place::after_dot;
    return true;
  }
  const std::uint64_t last = std::uint64_t{1} << (size - 1);
  place_ = (ends & last) != 0       ? Place::line_start
           : (bytes.cr & last) != 0 ? Place::after_cr
                                    : Place::in_line;
  return false;
}

// `ends` has a bit for each LF of a CRLF in the block at `at.next`.
void ContentCodec::note_line_ends(const Cursor& at, std::uint64_t ends) {
  std::uint64_t before = line_length_;
  std::size_t from = 0;
  for (; ends != 0; ends &= ends - 1) {
    const auto lf = static_cast<std::size_t>(std::countr_zero(ends));
    const std::uint64_t length = before + (lf - from) - 1;
    scan_.longest_line = std::max(scan_.longest_line, length);
    before = 0;
    from = lf + 1;
    if (scan_.header_length) continue;
    const std::size_t next_line = at.next + from;
    const std::uint64_t offset = scan_.size + (next_line - at.run);
    if (length == 0) {
      scan_.header_length = offset;
      field_open_ = false;
    } else if (next_line < at.size && at.in[next_line] != '.') {
      begin_field(at.in + next_line, at.size - next_line, offset);
    } else if (next_line >= at.size) {
      begin_field(nullptr, 0, offset);
    }
  }
}

// A header line starts at `at`; its name may be cut by the end of the input.
void ContentCodec::begin_field(const char* at, std::size_t available, std::uint64_t offset) {
  field_at_ = offset;
  field_size_ = 0;
  field_open_ = true;
  continue_field(at, available);
}

void ContentCodec::continue_field(const char* at, std::size_t available) {
  const std::size_t wanted = std::min(available, field_name_bytes - field_size_);
  if (wanted == 0) return;
  std::memcpy(field_.data() + field_size_, at, wanted);
  field_size_ += wanted;
  if (field_size_ < field_name_bytes) return;
  field_open_ = false;
  recognise_field(field_.data());
}

void ContentCodec::recognise_field(const char* name) {
  const auto is = [name](std::string_view wanted) {
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      const char byte = name[i];
      const char lower = byte >= 'A' && byte <= 'Z' ? static_cast<char>(byte | 0x20) : byte;
      if (lower != wanted[i]) return false;
    }
    return true;
  };
  if (is("received:")) {
    ++scan_.received_fields;
  } else if (!scan_.message_id_at && is("message-id:")) {
    scan_.message_id_at = field_at_;
  }
}

}  // namespace brevdue::smtp
