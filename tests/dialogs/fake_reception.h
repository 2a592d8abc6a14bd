// A Reception that keeps what it is given, checks that the facts about each message are true, and
// fails on demand. Callbacks are answered at once, or, deferred, when the test says so.
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/clock.h"
#include "mail/envelope.h"
#include "mail/queue_id.h"
#include "smtp/reception.h"

namespace brevdue::dialogs {

class ManualClock final : public Clock {
 public:
  WallTime wall() const override { return WallTime(std::chrono::seconds(1'795'507'200)) + passed_; }
  SteadyTime steady() const override { return SteadyTime(std::chrono::hours(1)) + passed_; }
  void advance(std::chrono::seconds time) { passed_ += time; }

 private:
  std::chrono::seconds passed_{0};
};

struct AcceptedMessage {
  mail::Envelope envelope;
  std::string content;
  std::size_t position;  // how many bytes of the client had come in
};

class FakeReception final : public smtp::Reception {
 public:
  FakeReception(const Clock& clock, bool deferred)
      : clock_(clock), deferred_(deferred), ids_(1, clock.wall()) {}

  Result<void> availability(std::uint64_t announced_size) const override;
  mail::QueueId next_id() override { return ids_.next(clock_.wall()); }
  smtp::ContentRoom& room() override { return room_; }
  void submit(mail::Envelope&& envelope, SharedBytes content, Done done) override;
  void begin_staging(mail::QueueId id, std::uint64_t announced_size) override;
  void append(mail::QueueId id, SharedBytes chunk, Done more) override;
  void finish(mail::Envelope&& envelope, Done done) override;
  void abort(mail::QueueId id) override;
  void log(std::string_view program, std::string_view text) override;

  // Answers what is open, and what that leads to; true if there was anything.
  bool answer();
  void fail_availability(std::optional<ErrorCode> error) { unavailable_ = error; }
  void fail_submit(std::optional<ErrorCode> error) { submit_error_ = error; }
  void fail_append(std::optional<ErrorCode> error) { append_error_ = error; }
  void came_in(std::size_t bytes) { position_ += bytes; }

  const std::vector<AcceptedMessage>& messages() const { return messages_; }
  const std::vector<std::string>& lines() const { return lines_; }
  // How many bytes had come in when each message was handed over, also those that were refused.
  const std::vector<std::size_t>& submits() const { return submits_; }
  std::size_t staging() const { return staged_.size(); }
  std::size_t largest_chunk() const { return largest_chunk_; }
  // What a session did against the contract.
  const std::vector<std::string>& faults() const { return faults_; }

 private:
  void take(mail::Envelope&& envelope, std::string content, Done done);
  void answer_with(Done done, std::optional<ErrorCode> error);
  void check(const mail::Envelope& envelope, std::string_view content);

  const Clock& clock_;
  const bool deferred_;
  mail::QueueIdSource ids_;
  smtp::ContentRoom room_{std::uint64_t{64} << 20};
  std::deque<std::move_only_function<void()>> open_;
  std::optional<ErrorCode> unavailable_;
  std::optional<ErrorCode> submit_error_;
  std::optional<ErrorCode> append_error_;
  std::map<mail::QueueId, std::string> staged_;
  std::vector<AcceptedMessage> messages_;
  std::vector<std::size_t> submits_;
  std::vector<std::string> lines_;
  std::vector<std::string> faults_;
  std::size_t position_ = 0;
  std::size_t largest_chunk_ = 0;
};

}  // namespace brevdue::dialogs
