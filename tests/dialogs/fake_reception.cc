#include "tests/dialogs/fake_reception.h"

#include <algorithm>

#include <fmt/format.h>

#include "core/crc32c.h"
#include "smtp/limits.h"

namespace brevdue::dialogs {

Result<void> FakeReception::availability(std::uint64_t) const {
  if (unavailable_) return fail(*unavailable_, "as the test wants it");
  return {};
}

void FakeReception::answer_with(Done done, std::optional<ErrorCode> error) {
  auto answer = [done = std::move(done), error]() mutable {
    if (error) {
      done(fail(*error, "as the test wants it"));
    } else {
      done({});
    }
  };
  if (deferred_) {
    open_.emplace_back(std::move(answer));
  } else {
    answer();
  }
}

bool FakeReception::answer() {
  bool any = false;
  while (!open_.empty()) {
    auto first = std::move(open_.front());
    open_.pop_front();
    first();
    any = true;
  }
  return any;
}

// The facts once more, slowly.
void FakeReception::check(const mail::Envelope& envelope, std::string_view content) {
  const mail::ContentFacts& facts = envelope.content;
  const auto expect = [&](bool holds, std::string_view what) {
    if (!holds) faults_.push_back(fmt::format("{}: wrong {}", envelope.id.text(), what));
  };
  expect(facts.size == content.size(), "size");
  expect(facts.crc32c == crc32c(content), "crc32c");
  expect(facts.eight_bit ==
             std::ranges::any_of(content, [](char c) { return static_cast<signed char>(c) < 0; }),
         "eight_bit");
  const auto header = content.find("\r\n\r\n");
  expect(facts.header_length == (header == std::string_view::npos ? content.size() : header + 4),
         "header_length");
  std::size_t longest = 0;
  for (std::size_t from = 0; from < content.size();) {
    const auto end = content.find("\r\n", from);
    expect(end != std::string_view::npos, "end of the last line");
    if (end == std::string_view::npos) break;
    longest = std::max(longest, end - from);
    from = end + 2;
  }
  expect(facts.longest_line == longest, "longest_line");
  for (std::size_t i = 0; i < content.size(); ++i) {
    const bool cr = content[i] == '\r';
    const bool lf = content[i] == '\n';
    if (cr) expect(i + 1 < content.size() && content[i + 1] == '\n', "bare CR");
    if (lf) expect(i > 0 && content[i - 1] == '\r', "bare LF");
    expect(content[i] != 0, "NUL");
  }
  expect(content.starts_with("Received: from "), "first field");
  expect(!envelope.recipients.empty(), "number of recipients");
}

void FakeReception::take(mail::Envelope&& envelope, std::string content, Done done) {
  submits_.push_back(position_);
  check(envelope, content);
  if (!submit_error_) {
    messages_.push_back({std::move(envelope), std::move(content), position_});
  }
  answer_with(std::move(done), submit_error_);
}

void FakeReception::submit(mail::Envelope&& envelope, SharedBytes content, Done done) {
  if (envelope.content.staged || content.size() > smtp::small_content_bytes_max) {
    faults_.push_back("large content was submitted in one piece");
  }
  take(std::move(envelope), std::string(content.view()), std::move(done));
}

void FakeReception::begin_staging(mail::QueueId id, std::uint64_t) {
  if (!staged_.emplace(id, "").second) faults_.push_back("staging begun twice");
}

void FakeReception::append(mail::QueueId id, SharedBytes chunk, Done more) {
  largest_chunk_ = std::max(largest_chunk_, chunk.size());
  const auto at = staged_.find(id);
  if (at == staged_.end() || chunk.empty()) {
    faults_.push_back("a chunk without staging, or an empty one");
  } else if (!append_error_) {
    at->second += chunk.view();
  }
  answer_with(std::move(more), append_error_);
}

void FakeReception::finish(mail::Envelope&& envelope, Done done) {
  auto staged = staged_.extract(envelope.id);
  if (staged.empty() || !envelope.content.staged) {
    faults_.push_back("finished without staging");
    return;
  }
  take(std::move(envelope), std::move(staged.mapped()), std::move(done));
}

void FakeReception::abort(mail::QueueId id) {
  if (staged_.erase(id) == 0) faults_.push_back("aborted without staging");
}

void FakeReception::log(std::string_view program, std::string_view text) {
  lines_.push_back(fmt::format("{}: {}", program, text));
}

}  // namespace brevdue::dialogs
