#include "queue/memory_store.h"

#include <cstring>
#include <utility>

namespace brevdue::queue {

static Location location_of(mail::QueueId id) {
  Location location;
  const std::uint64_t value = id.value();
  std::memcpy(location.bytes.data(), &value, sizeof value);
  return location;
}

Result<void> MemoryStore::start() {
  const std::lock_guard lock(disk_.mutex);
  for (const auto& [id, message] : disk_.messages) {
    found_.push_back({id, location_of(id), message.envelope, message.state});
  }
  return {};
}

Result<void> MemoryStore::recover(RecoverySink& sink) {
  for (RecoveredMessage& message : std::exchange(found_, {})) sink.message(std::move(message));
  return {};
}

void MemoryStore::submit(Batch batch, BatchDone done) {
  BatchResults results;
  results.reserve(batch.size());
  {
    const std::lock_guard lock(disk_.mutex);
    for (const Mutation& mutation : batch) {
      results.push_back(std::visit([&](const auto& m) { return apply(m); }, mutation));
    }
  }
  done(std::move(results));
}

Result<Location> MemoryStore::apply(const Enqueue& enqueue) {
  const std::uint64_t size = enqueue.envelope.size() + enqueue.content.size();
  if (size > disk_.room) return fail(ErrorCode::storage_full, "memory store");
  if (disk_.room != UINT64_MAX) disk_.room -= size;
  disk_.messages.insert_or_assign(enqueue.id,
                                  MemoryDisk::Message{enqueue.envelope, enqueue.content, {}});
  return location_of(enqueue.id);
}

Result<Location> MemoryStore::apply(const Settle& settle) {
  if (const auto at = disk_.messages.find(settle.id); at != disk_.messages.end()) {
    at->second.state.apply(settle.settlement);
  }
  return settle.location;
}

Result<Location> MemoryStore::apply(const Discard& discard) {
  disk_.messages.erase(discard.id);
  return discard.location;
}

// Under the disk's lock.
Result<const MemoryDisk::Message*> MemoryStore::find(mail::QueueId id,
                                                     const Location& location) const {
  const auto at = disk_.messages.find(id);
  if (at == disk_.messages.end() || location != location_of(id)) {
    return fail(ErrorCode::not_found, "memory store: " + id.text());
  }
  return &at->second;
}

Result<SharedBytes> MemoryStore::open(mail::QueueId id, const Location& location) {
  const std::lock_guard lock(disk_.mutex);
  auto message = find(id, location);
  if (!message) return propagate(std::move(message.error()));
  return (*message)->content;
}

Result<StoredMessage> MemoryStore::look_up(mail::QueueId id, const Location& location) {
  const std::lock_guard lock(disk_.mutex);
  auto message = find(id, location);
  if (!message) return propagate(std::move(message.error()));
  return StoredMessage{(*message)->envelope, (*message)->state};
}

std::uint64_t MemoryStore::room() const {
  const std::lock_guard lock(disk_.mutex);
  return disk_.room;
}

}  // namespace brevdue::queue
