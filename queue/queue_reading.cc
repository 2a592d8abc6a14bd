// The part of Queue that reads: contents, and the envelopes and states of messages that are not in
// memory. The store is read by the reader thread, decoding included; the rest is the loop's.
#include <utility>

#include "queue/queue.h"

namespace brevdue::queue {

static Result<std::shared_ptr<QueuedMessage>> read_message(Store& store, mail::QueueId id,
                                                           const Location& location) {
  auto found = store.look_up(id, location);
  if (!found) return propagate(std::move(found.error()));
  const auto envelope = mail::decode_envelope(found->envelope.view());
  if (!envelope || envelope->id != id) return fail(ErrorCode::corrupt, id.text() + ": envelope");
  auto message = std::make_shared<QueuedMessage>();
  message->id = id;
  message->envelope = std::move(found->envelope);
  message->state = std::move(found->state);
  message->size = envelope->content.size;
  message->recipient_count = static_cast<std::uint32_t>(envelope->recipients.size());
  message->next_sequence = message->state.sequence + 1;
  return message;
}

void Queue::load(mail::QueueId id, LoadDone done) {
  if (auto message = messages_.find(id)) return done(std::move(message));
  const auto entry = index_.find(id);
  if (!entry) return done(fail(ErrorCode::not_found, id.text()));
  if (!is_available()) return done(fail(ErrorCode::unavailable, "queue"));
  std::vector<LoadDone>& waiting = loading_[id];
  waiting.push_back(std::move(done));
  if (waiting.size() > 1) return;
  reader_.push([this, alive = alive_, store = store_.get(), id, location = entry->location] {
    loop_.post([this, alive, id, message = read_message(*store, id, location)]() mutable {
      if (*alive) loaded(id, std::move(message));
    });
  });
}

void Queue::loaded(mail::QueueId id, Result<std::shared_ptr<QueuedMessage>> message) {
  auto waiting = loading_.extract(id);
  Result<MessagePtr> answer = fail(ErrorCode::not_found, id.text());
  if (!message) {
    answer = std::unexpected(std::move(message.error()));
  } else if (auto known = messages_.find(id)) {
    answer = MessagePtr(std::move(known));
  } else if (index_.contains(id)) {
    answer = MessagePtr(*message);
    messages_.put(std::move(*message));
  }
  for (LoadDone& done : waiting.mapped()) done(answer);
}

void Queue::look_at(std::vector<mail::QueueId> ids, LookDone done) {
  std::vector<Result<MessagePtr>> found;
  std::vector<std::pair<std::size_t, Location>> missing;
  found.reserve(ids.size());
  for (const mail::QueueId id : ids) {
    const auto entry = index_.find(id);
    if (!entry) {
      found.emplace_back(fail(ErrorCode::not_found, id.text()));
      continue;
    }
    MessagePtr message = messages_.find(id);
    if (!message || message->lacks_replies) missing.emplace_back(found.size(), entry->location);
    found.emplace_back(std::move(message));
  }
  if (missing.empty()) return done(std::move(found));
  if (!is_available()) {
    for (const auto& [at, location] : missing) found[at] = fail(ErrorCode::unavailable, "queue");
    return done(std::move(found));
  }
  reader_.push([this, alive = alive_, store = store_.get(), ids = std::move(ids),
                missing = std::move(missing), found = std::move(found),
                done = std::move(done)]() mutable {
    for (const auto& [at, location] : missing) found[at] = read_message(*store, ids[at], location);
    loop_.post(
        [alive = std::move(alive), found = std::move(found), done = std::move(done)]() mutable {
          if (*alive) done(std::move(found));
        });
  });
}

void Queue::read(mail::QueueId id, ContentDone done) {
  const auto entry = index_.find(id);
  if (!entry) return done(fail(ErrorCode::not_found, id.text()));
  if (entry->staged) {
    return staging_.read(id, [done = std::move(done)](Result<UniqueFd> fd) mutable {
      if (!fd) return done(std::unexpected(std::move(fd.error())));
      done(Content{SharedBytes(), std::move(*fd)});
    });
  }
  if (SharedBytes cached = cache_.get(id); !cached.empty()) {
    return done(Content{std::move(cached), UniqueFd()});
  }
  if (!is_available()) return done(fail(ErrorCode::unavailable, "queue"));
  reader_.push([this, alive = alive_, store = store_.get(), id, location = entry->location,
                done = std::move(done)]() mutable {
    auto bytes = store->open(id, location);
    loop_.post(
        [alive = std::move(alive), bytes = std::move(bytes), done = std::move(done)]() mutable {
          if (!*alive) return;
          if (!bytes) return done(std::unexpected(std::move(bytes.error())));
          done(Content{std::move(*bytes), UniqueFd()});
        });
  });
}

}  // namespace brevdue::queue
