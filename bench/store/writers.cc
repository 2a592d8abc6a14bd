#include "bench/store/writers.h"

#include <stdexcept>
#include <string>
#include <utility>

namespace brevdue::bench {

static std::string an_envelope() {
  mail::Envelope envelope;
  envelope.reverse_path = "sender@example.org";
  envelope.client_address = "192.0.2.1";
  envelope.client_helo = "client.example.org";
  envelope.recipients = {{"recipient@example.net", "", 0}};
  return mail::encode(envelope);
}

Writers::Writers(queue::Store& store, unsigned count, std::size_t message_size, Ageing ageing)
    : committer_(store, clock_, loop_, {}),
      writers_(count),
      ageing_(ageing),
      envelope_(an_envelope()),
      content_(std::string(message_size, 'x')) {}

void Writers::start() {
  for (std::size_t writer = 0; writer < writers_.size(); ++writer) send(writer);
}

void Writers::send(std::size_t writer) {
  const mail::QueueId id(++last_id_);
  queue::Batch group;
  group.push_back(queue::Enqueue{id, envelope_, content_});
  if (writers_[writer].has_last) group.push_back(writers_[writer].last);
  committer_.submit(std::move(group), [this, writer, id](queue::BatchResults results) {
    for (const auto& result : results) {
      if (!result) throw std::runtime_error(describe(result.error()));
    }
    ++durable_;
    writers_[writer].last = {id, *results[0]};
    writers_[writer].has_last = true;
    if (ageing_.percent != 0) let_go(writers_[writer]);
    if (!finishing_) send(writer);
  });
}

// Chooses what the writer's next group discards: its last message, one that had stayed, or nothing.
void Writers::let_go(Writer& writer) {
  if (random_() % 100 >= ageing_.percent) return;
  if (staying_.size() < ageing_.staying) {
    staying_.push_back(writer.last);
    writer.has_last = false;
  } else {
    std::swap(staying_[random_() % staying_.size()], writer.last);
  }
}

std::uint64_t Writers::run_until(std::uint64_t count) {
  while (durable_ < count) loop_.turn();
  return durable_;
}

void Writers::finish() {
  finishing_ = true;
  while (!committer_.idle()) loop_.turn();
}

}  // namespace brevdue::bench
