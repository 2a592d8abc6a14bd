#include "bench/load/content_verifier.h"

#include <algorithm>

#include <strings.h>

#include "core/crc32c.h"

namespace brevdue::load {

namespace {

constexpr std::size_t longest_header_line = 8192;

bool starts_with_name(std::string_view line, std::string_view name) {
  return line.size() >= name.size() && strncasecmp(line.data(), name.data(), name.size()) == 0;
}

}  // namespace

void ContentVerifier::feed(std::string_view piece) {
  size_ += piece.size();
  while (phase_ == Phase::above && !piece.empty()) {
    const std::size_t newline = piece.find('\n');
    const std::size_t taken = newline == std::string_view::npos ? piece.size() : newline + 1;
    line_.append(piece.substr(0, taken));
    piece.remove_prefix(taken);
    if (newline != std::string_view::npos) {
      take_header_line();
      line_.clear();
    } else if (line_.size() > longest_header_line) {
      phase_ = Phase::foreign;
    }
  }
  if (phase_ == Phase::comparing || phase_ == Phase::differing) compare(piece);
}

void ContentVerifier::take_header_line() {
  if (line_ == "\r\n" || line_ == "\n") {
    phase_ = Phase::foreign;
    return;
  }
  if (starts_with_name(line_, "Received:")) ++received_fields_;
  constexpr std::string_view field = "X-Book: ";
  if (!starts_with_name(line_, field)) return;
  std::string_view text = std::string_view(line_).substr(field.size());
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.remove_suffix(1);
  key_ = parse_book_key(text);
  if (!key_ || key_->size < minimum_content_size) {
    key_.reset();
    phase_ = Phase::foreign;
    return;
  }
  content_.emplace(*key_);
  expected_ = content_->header();
  phase_ = Phase::comparing;
  compare(line_);
}

void ContentVerifier::compare(std::string_view piece) {
  crc_ = crc32c(piece, crc_);
  while (!piece.empty() && phase_ == Phase::comparing) {
    if (expected_at_ == expected_.size()) {
      expected_.clear();
      expected_at_ = 0;
      if (next_slot_ == content_->slots()) {
        phase_ = Phase::differing;
        return;
      }
      content_->append_slot(expected_, next_slot_++);
    }
    const std::size_t length = std::min(piece.size(), expected_.size() - expected_at_);
    const auto wanted = std::string_view(expected_).substr(expected_at_, length);
    if (piece.substr(0, length) != wanted) {
      const auto [ours, theirs] = std::ranges::mismatch(wanted, piece.substr(0, length));
      matched_ += static_cast<std::uint64_t>(ours - wanted.begin());
      phase_ = Phase::differing;
      return;
    }
    matched_ += length;
    expected_at_ += length;
    piece.remove_prefix(length);
  }
}

Verdict ContentVerifier::finish() {
  if (!key_) return Verdict::foreign;
  const bool complete = phase_ == Phase::comparing && matched_ == key_->size;
  return complete ? Verdict::whole : Verdict::altered;
}

}  // namespace brevdue::load
