#include <cstdlib>
#include <random>

#include "queue/memory_store.h"
#include "tests/conformance/store_conformance.h"

namespace brevdue::tests {

using mail::RecipientStatus;
using queue::Discard;
using queue::Location;
using queue::Settle;

namespace {
// Runs the same operations on a store and on the model, in batches of random size.
class RandomOperations {
 public:
  explicit RandomOperations(std::uint64_t seed) : random_(seed) {}

  queue::Batch batch();
  void committed(const queue::Batch& batch, const queue::BatchResults& results);
  void reopened(const std::map<mail::QueueId, queue::RecoveredMessage>& recovered);
  // One of those that are there; null if there is none.
  const std::pair<const mail::QueueId, Location>* any();
  const Sample& sample(mail::QueueId id) const { return samples_.at(id); }
  std::uint64_t below(std::uint64_t bound) { return random_() % bound; }
  queue::MemoryDisk& model() { return model_; }
  std::size_t live() const { return live_.size(); }
  const std::vector<std::pair<mail::QueueId, Location>>& gone() const { return gone_; }

 private:
  std::size_t random_size();
  Settle settle(mail::QueueId id, const Location& location);
  // With the whole state in every other one.
  Settle settle_living(mail::QueueId id, const Location& location);

  std::mt19937_64 random_;
  queue::MemoryDisk model_;
  std::uint64_t next_ = 1;
  std::map<mail::QueueId, Sample> samples_;
  std::map<mail::QueueId, Location> live_;
  std::map<mail::QueueId, std::uint32_t> sequences_;
  std::map<mail::QueueId, mail::DeliveryState> states_;  // at the end of the batch being made
  std::vector<std::pair<mail::QueueId, Location>> gone_;
};

std::size_t RandomOperations::random_size() {
  const std::uint64_t kind = below(20);
  if (kind == 0) return below(200'000);
  if (kind < 3) return below(20'000);
  if (kind < 5) return 4096 * below(4) + below(3);
  return below(5000);
}

Settle RandomOperations::settle(mail::QueueId id, const Location& location) {
  const std::uint32_t recipients = samples_.at(id).recipients;
  // Mostly the next number, now and then an old one: a replay.
  std::uint32_t& sequence = sequences_[id];
  if (below(5) != 0 || sequence == 0) ++sequence;
  const auto number = static_cast<std::uint32_t>(sequence - below(std::min(sequence, 3u)));
  auto settlement =
      deferral(number, static_cast<std::uint32_t>(below(recipients)),
               static_cast<RecipientStatus>(1 + below(3)), std::string(below(80), 'r'));
  for (std::uint32_t i = 0; i < recipients; ++i) {
    if (below(3) != 0 || i == settlement.results[0].recipient) continue;
    settlement.results.push_back(
        {i, static_cast<RecipientStatus>(1 + below(3)), std::string(below(300), 's')});
  }
  settlement.held = below(4) == 0;
  return {id, location, std::move(settlement)};
}

Settle RandomOperations::settle_living(mail::QueueId id, const Location& location) {
  Settle made = settle(id, location);
  const auto at = states_.try_emplace(id, model_.messages.at(id).state).first;
  at->second.apply(made.settlement);
  if (below(2) == 0) made.whole = mail::as_settlement(at->second);
  return made;
}

const std::pair<const mail::QueueId, Location>* RandomOperations::any() {
  if (live_.empty()) return nullptr;
  auto at = live_.begin();
  std::advance(at, static_cast<std::ptrdiff_t>(below(live_.size())));
  return &*at;
}

queue::Batch RandomOperations::batch() {
  queue::Batch batch;
  states_.clear();
  std::map<mail::QueueId, bool> discarded;
  const std::size_t size = 1 + below(below(4) == 0 ? 60 : 6);
  while (batch.size() < size) {
    const std::uint64_t kind = below(10);
    const auto* message = any();
    if (kind < 4 || message == nullptr) {
      const auto recipients = static_cast<std::uint32_t>(1 + below(4));
      const Sample sample = make_sample(next_++, random_size(), recipients);
      samples_.emplace(sample.id, sample);
      batch.push_back(sample.enqueue());
    } else if (kind < 7) {
      if (!discarded.contains(message->first)) {
        batch.push_back(settle_living(message->first, message->second));
      }
    } else if (kind < 9 || gone_.empty()) {
      discarded[message->first] = true;
      batch.push_back(Discard{message->first, message->second});
    } else {
      const auto& [id, location] = gone_[below(gone_.size())];
      if (below(2) == 0) {
        batch.push_back(Discard{id, location});
      } else {
        batch.push_back(settle(id, location));
      }
    }
  }
  return batch;
}

void RandomOperations::committed(const queue::Batch& batch, const queue::BatchResults& results) {
  queue::MemoryStore model(model_);
  queue::Batch copy = batch;
  commit(model, std::move(copy));
  for (std::size_t i = 0; i < batch.size(); ++i) {
    if (const auto* enqueue = std::get_if<queue::Enqueue>(&batch[i])) {
      live_[enqueue->id] = *results[i];
    } else if (const auto* settled = std::get_if<Settle>(&batch[i])) {
      if (live_.contains(settled->id)) live_[settled->id] = *results[i];
    } else {
      const auto& discard = std::get<Discard>(batch[i]);
      if (live_.erase(discard.id) != 0) gone_.emplace_back(discard.id, discard.location);
    }
  }
}

void RandomOperations::reopened(const std::map<mail::QueueId, queue::RecoveredMessage>& recovered) {
  // Locations are of the store that is gone; replays use the new ones or none.
  live_.clear();
  for (const auto& [id, message] : recovered) live_[id] = message.location;
  gone_.clear();
}
}  // namespace

// Thousands of random mutations in random batches, replays and old settlements among them, with the
// store opened anew at random moments; MemoryStore's disk says what must be there.
TEST_P(StoreConformance, RandomOperationsAgreeWithTheModel) {
  const char* given = std::getenv("BREVDUE_TEST_SEED");
  const std::uint64_t seed =
      given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device()();
  SCOPED_TRACE("BREVDUE_TEST_SEED=" + std::to_string(seed));
  RandomOperations operations(seed);
  start();
  recover();
  for (std::size_t done = 0; done < 4000;) {
    queue::Batch batch = operations.batch();
    done += batch.size();
    queue::Batch copy = batch;
    const auto results = commit(store(), std::move(copy));
    ASSERT_EQ(results.size(), batch.size());
    for (const auto& result : results) ASSERT_TRUE(result) << describe(result.error());
    operations.committed(batch, results);
    if (const auto* message = operations.any()) {
      expect_content(operations.sample(message->first), message->second);
      expect_lookup(operations.sample(message->first), message->second,
                    operations.model().messages.at(message->first).state);
    }
    if (!operations.gone().empty()) {
      const auto& [id, location] = operations.gone()[operations.below(operations.gone().size())];
      ASSERT_FALSE(store().open(id, location));
      ASSERT_FALSE(store().look_up(id, location));
    }
    if (operations.below(15) != 0) continue;
    const auto recovered = reopen();
    ASSERT_EQ(recovered.size(), operations.model().messages.size());
    for (const auto& [id, expected] : operations.model().messages) {
      ASSERT_TRUE(recovered.contains(id)) << id.text();
      ASSERT_TRUE(recovered.at(id).envelope.view() == expected.envelope.view()) << id.text();
      ASSERT_TRUE(is_same_but_for_replies(recovered.at(id).state, expected.state)) << id.text();
      expect_content(operations.sample(id), recovered.at(id).location);
      expect_lookup(operations.sample(id), recovered.at(id).location, expected.state);
    }
    operations.reopened(recovered);
  }
}

}  // namespace brevdue::tests
