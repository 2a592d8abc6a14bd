#include "bench/store/writers.h"

#include <stdexcept>
#include <string>
#include <utility>

#include "mail/envelope.h"

namespace brevdue::bench {

// How many discards go into the queue at once.
static constexpr std::uint64_t discards_at_once = 4096;

static std::string an_envelope() {
  mail::Envelope envelope;
  envelope.reverse_path = "sender@example.org";
  envelope.client_address = "192.0.2.1";
  envelope.client_helo = "client.example.org";
  envelope.recipients = {{"recipient@example.net", "", 0}};
  return mail::encode(envelope);
}

static void require(const Result<void>& result) {
  if (!result) throw std::runtime_error(describe(result.error()));
}

Writers::Writers(NamedQueue& queue, unsigned count, std::size_t message_size, Staying staying)
    : queue_(queue),
      count_(count),
      policy_(staying),
      envelope_(an_envelope()),
      content_(std::string(message_size, 'x')) {}

void Writers::start() {
  stopping_ = false;
  for (unsigned writer = 0; writer < count_; ++writer) send();
}

void Writers::send() {
  const mail::QueueId id(++last_id_);
  queue::NewMessage message;
  message.id = id;
  message.envelope = envelope_;
  message.content = content_;
  message.size = content_.size();
  message.recipient_count = 1;
  ++under_way_;
  queue_.queue().enqueue(std::move(message),
                         [this, id, sent = std::chrono::steady_clock::now()](Result<void> result) {
                           require(result);
                           is_durable(id, sent);
                         });
}

void Writers::is_durable(mail::QueueId id, Time sent) {
  const std::chrono::duration<double, std::micro> took = std::chrono::steady_clock::now() - sent;
  latencies_.add(static_cast<std::uint64_t>(took.count()));
  --under_way_;
  ++durable_;
  if (!stopping_) send();
  const bool stays = random_() % 100 < policy_.percent;
  if (stays && staying_.size() < policy_.most) {
    staying_.push_back(id);
    return;
  }
  if (stays) std::swap(staying_[random_() % staying_.size()], id);
  discard(id);
}

void Writers::discard(mail::QueueId id) {
  ++under_way_;
  queue_.queue().discard(id, {}, [this](const Result<void>& result) {
    require(result);
    --under_way_;
  });
}

std::uint64_t Writers::run_until(std::uint64_t count) {
  while (durable_ < count) queue_.turn();
  return durable_;
}

void Writers::run_for(std::chrono::nanoseconds time, std::uint64_t count) {
  const Time end = std::chrono::steady_clock::now() + time;
  const std::uint64_t enough = durable_ + count;
  while (durable_ < enough && std::chrono::steady_clock::now() < end) queue_.turn();
}

void Writers::stop() {
  stopping_ = true;
  while (under_way_ != 0) queue_.turn();
}

void Writers::discard_staying() {
  while (!staying_.empty()) {
    while (!staying_.empty() && under_way_ < discards_at_once) {
      discard(staying_.back());
      staying_.pop_back();
    }
    queue_.turn();
  }
  stop();
}

}  // namespace brevdue::bench
