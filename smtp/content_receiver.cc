#include "smtp/content_receiver.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "core/crc32c.h"
#include "mail/reply.h"
#include "smtp/limits.h"

namespace brevdue::smtp {

// What one call of the codec may take. A chunk is sent once it is full, so that a staged block of
// twice the size never has to grow.
static constexpr std::size_t piece_bytes_max = staged_chunk_bytes;
static constexpr std::size_t staged_block_bytes = staged_chunk_bytes + piece_bytes_max + 1;

static std::uint64_t longest_line(std::string_view text) {
  std::uint64_t longest = 0;
  while (!text.empty()) {
    const auto end = text.find("\r\n");
    BREVDUE_ASSERT(end != std::string_view::npos);
    longest = std::max<std::uint64_t>(longest, end);
    text.remove_prefix(end + 2);
  }
  return longest;
}

static bool has_high_bytes(std::string_view text) {
  return std::ranges::any_of(text, [](char c) { return static_cast<unsigned char>(c) > 127; });
}

ContentReceiver::ContentReceiver(Reception& reception, mail::QueueId id,
                                 std::string_view received_field, std::uint64_t announced_size,
                                 std::uint64_t size_limit, MakeDone make_done)
    : reception_(reception),
      id_(id),
      codec_(size_limit == 0 ? UINT64_MAX : size_limit),
      make_done_(std::move(make_done)),
      field_bytes_(received_field.size()),
      longest_field_line_(longest_line(received_field)) {
  staged_ =
      announced_size > small_content_bytes_max - std::min(small_content_bytes_max, field_bytes_);
  if (staged_) reception_.begin_staging(id_, announced_size);
  // The announced size counts neither our field nor is it a promise.
  renew_block(field_bytes_ + (staged_ ? staged_block_bytes : announced_size + 1));
  received_field.copy(block_.get(), field_bytes_);
  block_size_ = field_bytes_;
  crc_ = crc32c(received_field);
}

void ContentReceiver::renew_block(std::size_t capacity) {
  auto larger = std::make_shared_for_overwrite<char[]>(capacity);
  if (block_size_ > 0) std::memcpy(larger.get(), block_.get(), block_size_);
  block_ = std::move(larger);
  block_capacity_ = capacity;
}

// The block of content that comes in more than one piece: of this size while that is enough, then
// of the largest at once. Pages that nothing is written to cost nothing; growing by and by would
// copy the content again and again.
static constexpr std::size_t short_content_bytes = 16 * 1024;

// Makes the block large enough for `piece`, and one (see ContentCodec::feed).
void ContentReceiver::make_room(std::string_view piece) {
  if (block_capacity_ - block_size_ > piece.size()) return;
  const std::size_t wanted = block_size_ + piece.size() + 1;
  if (staged_) return renew_block(std::max(wanted, staged_block_bytes));
  if (block_size_ <= field_bytes_ && piece.ends_with("\r\n.\r\n")) return renew_block(wanted);
  renew_block(wanted <= short_content_bytes ? short_content_bytes
                                            : std::max(wanted, small_content_bytes_max + 1));
}

// As much as keeps the block within content_memory_max.
std::size_t ContentReceiver::piece_size() const {
  if (staged_) return piece_bytes_max;
  return std::min(piece_bytes_max, small_content_bytes_max + 1 - block_size_);
}

// Copied and looked at again so little at a time that it stays in the nearest cache.
static constexpr std::size_t cached_bytes = 4096;

std::size_t ContentReceiver::feed(std::string_view bytes) {
  std::size_t taken = 0;
  while (taken < bytes.size() && !codec_.ended() && !chunk_open_) {
    const std::string_view coming = bytes.substr(taken, piece_size());
    make_room(coming);
    const std::string_view piece = coming.substr(0, cached_bytes);
    char* const to = block_.get() + block_size_;
    const auto [consumed, produced] = codec_.feed(piece, to);
    taken += consumed;
    crc_ = crc32c(to, produced, crc_);
    block_size_ += produced;
    if (codec_.fault() != ContentFault::none || staging_error_) {
      abandon();
      continue;
    }
    keep_message_id();
    if (!staged_ && block_size_ > small_content_bytes_max) {
      staged_ = true;
      reception_.begin_staging(id_, 0);
    }
    if (staged_ && block_size_ >= staged_chunk_bytes) send_chunk();
  }
  return taken;
}

// Nothing of the message will be kept: what was staged is given up, the block is only scratch for
// the codec.
void ContentReceiver::abandon() {
  codec_.discard();
  block_size_ = 0;
  if (std::exchange(staged_, false)) reception_.abort(id_);
}

void ContentReceiver::send_chunk() {
  chunk_open_ = true;
  sent_ += block_size_;
  SharedBytes chunk(std::move(block_), std::exchange(block_size_, 0));
  block_ = nullptr;
  block_capacity_ = 0;
  reception_.append(id_, std::move(chunk), make_done_());
}

void ContentReceiver::chunk_taken(Result<void> result) {
  chunk_open_ = false;
  if (result) return;
  staging_error_ = result.error().code;
  abandon();
}

void ContentReceiver::keep_message_id() {
  const auto at = codec_.scan().message_id_at;
  if (message_id_kept_ || !at) return;
  const std::uint64_t start = *at + field_bytes_;
  if (start < sent_) {
    // The field was cut by the end of a chunk that has left: not worth holding chunks for.
    message_id_kept_ = true;
    return;
  }
  constexpr std::size_t name_bytes = 11;
  constexpr std::size_t value_bytes_max = 500;
  std::string_view field(block_.get(), block_size_);
  field.remove_prefix(static_cast<std::size_t>(start - sent_));
  const auto end = field.find("\r\n");
  if (end == std::string_view::npos && field.size() < value_bytes_max && !codec_.ended()) return;
  field = field.substr(0, std::min(end, value_bytes_max));
  field.remove_prefix(std::min(name_bytes, field.size()));
  const auto from = field.find_first_not_of(" \t");
  if (from != std::string_view::npos) message_id_ = field.substr(from);
  while (!message_id_.empty() && (message_id_.back() == ' ' || message_id_.back() == '\t')) {
    message_id_.pop_back();
  }
  message_id_kept_ = true;
}

std::optional<std::string> ContentReceiver::refusal() const {
  switch (codec_.fault()) {
    case ContentFault::bare_cr:
      return "550 5.5.2 Bare <CR> received in the content";
    case ContentFault::bare_lf:
      return "550 5.5.2 Bare <LF> received in the content";
    case ContentFault::nul:
      return "550 5.6.0 NUL received in the content";
    case ContentFault::too_large:
      return "552 5.3.4 Message size exceeds fixed limit";
    case ContentFault::none:
      break;
  }
  if (codec_.scan().received_fields >= received_fields_max) {
    return "554 5.4.6 Too many hops";
  }
  if (staging_error_) return mail::reply_for(*staging_error_).line();
  return std::nullopt;
}

void ContentReceiver::finish(mail::Envelope&& envelope, Reception::Done done) {
  const ContentScan& scan = codec_.scan();
  mail::ContentFacts& facts = envelope.content;
  facts.size = field_bytes_ + scan.size;
  facts.crc32c = crc_;
  const std::uint64_t header = field_bytes_ + scan.header_length.value_or(scan.size);
  facts.header_length = static_cast<std::uint32_t>(std::min<std::uint64_t>(header, UINT32_MAX));
  facts.longest_line = static_cast<std::uint32_t>(
      std::min<std::uint64_t>(std::max(scan.longest_line, longest_field_line_), UINT32_MAX));
  facts.eight_bit = scan.eight_bit || (block_size_ >= field_bytes_ && sent_ == 0 &&
                                       has_high_bytes({block_.get(), field_bytes_}));
  facts.staged = staged_;
  SharedBytes rest(std::move(block_), std::exchange(block_size_, 0));
  if (!std::exchange(staged_, false)) {
    reception_.submit(std::move(envelope), std::move(rest), std::move(done));
    return;
  }
  if (rest.empty()) {
    reception_.finish(std::move(envelope), std::move(done));
    return;
  }
  reception_.append(id_, std::move(rest),
                    [&reception = reception_, id = id_, envelope = std::move(envelope),
                     done = std::move(done)](Result<void> taken) mutable {
                      if (taken) {
                        reception.finish(std::move(envelope), std::move(done));
                        return;
                      }
                      reception.abort(id);
                      done(std::move(taken));
                    });
}

}  // namespace brevdue::smtp
