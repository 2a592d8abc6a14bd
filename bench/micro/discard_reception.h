// A Reception that takes every message at once and keeps nothing: what is left is the cost of SMTP.
#pragma once

#include <cstdint>
#include <string_view>
#include <utility>

#include "core/clock.h"
#include "smtp/reception.h"

namespace brevdue::bench {

class DiscardReception final : public smtp::Reception {
 public:
  explicit DiscardReception(const Clock& clock) : clock_(clock), ids_(1, clock.wall()) {}

  Result<void> availability(std::uint64_t) const override { return {}; }
  mail::QueueId next_id() override { return ids_.next(clock_.wall()); }
  smtp::ContentRoom& room() override { return room_; }
  void submit(mail::Envelope&& envelope, SharedBytes content, Done done) override {
    count(envelope, content.size());
    done({});
  }
  void begin_staging(mail::QueueId, std::uint64_t) override {}
  void append(mail::QueueId, SharedBytes chunk, Done more) override {
    bytes_ += chunk.size();
    more({});
  }
  void finish(mail::Envelope&& envelope, Done done) override {
    count(envelope, 0);
    done({});
  }
  void abort(mail::QueueId) override {}
  void log(std::string_view, std::string_view text) override { log_bytes_ += text.size(); }

  std::uint64_t messages() const { return messages_; }
  std::uint64_t bytes() const { return bytes_; }
  std::uint64_t log_bytes() const { return log_bytes_; }

 private:
  void count(const mail::Envelope& envelope, std::size_t size) {
    envelope_bytes_ += mail::encode(envelope).size();
    bytes_ += size;
    ++messages_;
  }

  const Clock& clock_;
  mail::QueueIdSource ids_;
  smtp::ContentRoom room_{std::uint64_t{256} << 20};
  std::uint64_t messages_ = 0;
  std::uint64_t bytes_ = 0;
  std::uint64_t envelope_bytes_ = 0;
  std::uint64_t log_bytes_ = 0;
};

}  // namespace brevdue::bench
