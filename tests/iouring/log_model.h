// Drives a store, mostly a LogStore, with random mail and knows what a recovery may and must
// report.
//
// One batch at a time, or several in flight. What was acknowledged must be there; what was
// attempted when the store failed may be there or not, but of several batches only the first so
// many, and what the first recovery after it shows is then final: what it does not report must
// never come back. Contents and envelopes follow from the id alone.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "backends/iouring/log_store.h"
#include "tests/iouring/simulated_disk.h"

namespace brevdue::tests {

SharedBytes envelope_of(mail::QueueId id);
SharedBytes content_of(mail::QueueId id, std::size_t size);
queue::BatchResults commit(queue::Store& store, queue::Batch batch);
// All in flight at once; complains if they are not answered in order.
std::vector<queue::BatchResults> commit_all(queue::Store& store,
                                            const std::vector<queue::Batch>& batches);

// Attended if the disk's devices can be.
std::unique_ptr<queue::Store> store_on(SimulatedDisk& disk, backends::LogStoreOptions options);

struct Recovered : queue::RecoverySink {
  void message(queue::RecoveredMessage message) override;
  void quarantined(queue::Quarantined found) override { damage.push_back(std::move(found)); }

  std::map<mail::QueueId, queue::RecoveredMessage> messages;
  std::vector<queue::Quarantined> damage;
  unsigned twice = 0;  // messages reported more than once
};

class LogModel {
 public:
  struct Shape {
    std::size_t content_max = 9000;
    unsigned batch_max = 6;
    std::size_t live_wanted = 40;   // discards keep about this many
    unsigned keep_forever = 0;      // of a thousand messages so many are never discarded
    unsigned in_flight_max = 1;     // batches
    bool may_set_aside = false;     // what was never finished is reported as damage
    bool may_keep_refused = false;  // what found no room may be there after a cut
  };

  LogModel(std::uint64_t seed, Shape shape) : random_(seed), shape_(shape) {}

  // Compares with what is expected and adopts what was in doubt. The first complaint, or empty.
  std::string check(queue::Store& store, const Recovered& recovered);
  // Random batches, as many as may be in flight; false when the store failed for good.
  bool step(queue::Store& store);
  // Opens a message and looks it up by the location it was known by first, which a store must
  // honour for as long as the message lives. The complaint, or empty.
  std::string read_one(queue::Store& store);
  // Discards everything; false as above.
  bool discard_all(queue::Store& store);

  std::size_t live() const { return messages_.size(); }
  unsigned refused() const { return refused_; }
  // Messages given to the store so far.
  std::uint64_t enqueued() const { return last_id_ - first_id; }
  std::uint64_t random() { return random_(); }

 private:
  struct Message {
    std::size_t size = 0;
    queue::Location location;
    mail::DeliveryState state;
    // In doubt: attempted, not acknowledged.
    bool enqueue_in_doubt = false;
    bool discard_in_doubt = false;
    std::vector<mail::DeliveryState> states_in_doubt;  // one of them, or `state`
    bool keep = false;
    // Asked for by the batches that are being made.
    bool discarding = false;
    std::uint32_t settlements_asked = 0;
  };

  std::string look_up(queue::Store& store, mail::QueueId id, const Message& message);
  std::string check_one(queue::Store& store, mail::QueueId id, const Recovered& recovered);
  queue::Batch make_batch();
  queue::Mutation make_change(mail::QueueId id, Message& message, bool discard);
  bool is_visible(const queue::Mutation& mutation, const Recovered& recovered) const;
  std::string check_order(const Recovered& recovered);
  bool apply(queue::Store& store, const std::vector<queue::Batch>& batches);
  void acknowledged(const queue::Mutation& mutation, const queue::Location& location);
  void refused(const queue::Mutation& mutation);
  void in_doubt(const queue::Mutation& mutation);

  std::mt19937_64 random_;
  Shape shape_;
  std::map<mail::QueueId, Message> messages_;
  std::map<mail::QueueId, Message> refused_messages_;  // for want of room
  static constexpr std::uint64_t first_id = 1'000'000;
  std::uint64_t last_id_ = first_id;
  unsigned refused_ = 0;
  std::vector<queue::Batch> in_doubt_;  // in the order of submission
};

}  // namespace brevdue::tests
