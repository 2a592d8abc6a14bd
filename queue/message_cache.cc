#include "queue/message_cache.h"

#include <algorithm>
#include <numeric>

namespace brevdue::queue {

namespace {
constexpr std::size_t short_results = 32;
constexpr std::size_t short_bytes = 2048;
// Looked at for one that is put in, so that messages in use cost the others nothing.
constexpr int tries = 16;
// The node of the list, the place in the table, the reference counts, what malloc adds.
constexpr std::size_t overhead = 180;

std::size_t reply_bytes(const mail::DeliveryState& state) {
  return std::accumulate(
      state.results.begin(), state.results.end(), std::size_t{0},
      [](std::size_t sum, const mail::RecipientResult& one) { return sum + one.reply.size(); });
}

std::size_t bytes_of(const QueuedMessage& message) {
  return sizeof message + overhead + message.envelope.size() + reply_bytes(message.state) +
         message.state.results.capacity() * (sizeof(mail::RecipientResult) + 16);
}
}  // namespace

bool is_short(const mail::DeliveryState& state) {
  return state.results.size() <= short_results && reply_bytes(state) <= short_bytes;
}

std::shared_ptr<QueuedMessage> MessageCache::find(mail::QueueId id) {
  const auto at = places_.find(id);
  if (at == places_.end()) return nullptr;
  turns_.splice(turns_.end(), turns_, at->second);
  return at->second->message;
}

void MessageCache::put(std::shared_ptr<QueuedMessage> message) {
  const mail::QueueId id = message->id;
  const std::size_t bytes = bytes_of(*message);
  const auto turn = turns_.insert(turns_.end(), {std::move(message), bytes});
  const bool added = places_.emplace(id, turn).second;
  BREVDUE_ASSERT(added);
  bytes_ += bytes;
  make_room();
}

void MessageCache::resized(mail::QueueId id) {
  const auto at = places_.find(id);
  if (at == places_.end()) return;
  Place& place = *at->second;
  const std::size_t bytes = bytes_of(*place.message);
  bytes_ += bytes - place.bytes;
  place.bytes = bytes;
}

void MessageCache::erase(mail::QueueId id) {
  if (const auto at = places_.find(id); at != places_.end()) remove(at);
}

void MessageCache::remove(Places::iterator at) {
  bytes_ -= at->second->bytes;
  turns_.erase(at->second);
  places_.erase(at);
}

void MessageCache::make_room() {
  for (int tried = 0; bytes_ > bytes_max_ && tried < tries && !turns_.empty(); ++tried) {
    const Place& place = turns_.front();
    if (place.message.use_count() > 1 || !is_short(place.message->state)) {
      turns_.splice(turns_.end(), turns_, turns_.begin());
    } else {
      remove(places_.find(place.message->id));
    }
  }
}

}  // namespace brevdue::queue
