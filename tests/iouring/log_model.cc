#include "tests/iouring/log_model.h"

#include <future>
#include <set>

#include <fmt/format.h>

namespace brevdue::tests {

SharedBytes envelope_of(mail::QueueId id) {
  mail::Envelope envelope;
  envelope.id = id;
  envelope.reverse_path = fmt::format("sender{}@example.org", id.value());
  envelope.recipients = {{fmt::format("to{}@example.net", id.value()), "", 0},
                         {"second@example.net", "", 0}};
  return SharedBytes(mail::encode(envelope));
}

SharedBytes content_of(mail::QueueId id, std::size_t size) {
  std::string text(size, '\0');
  std::uint64_t word = id.value() * 0x9e3779b97f4a7c15u + 1;
  for (char& byte : text) {
    word = word * 6364136223846793005u + 1442695040888963407u;
    byte = static_cast<char>(word >> 56);
  }
  return SharedBytes(text);
}

queue::BatchResults commit(queue::Store& store, queue::Batch batch) {
  std::promise<queue::BatchResults> promise;
  auto future = promise.get_future();
  store.submit(std::move(batch),
               [&](queue::BatchResults results) { promise.set_value(std::move(results)); });
  return future.get();
}

void Recovered::message(queue::RecoveredMessage message) {
  const mail::QueueId id = message.id;
  if (!messages.emplace(id, std::move(message)).second) ++twice;
}

std::string LogModel::check_one(queue::Store& store, mail::QueueId id, const Recovered& recovered) {
  Message& message = messages_.at(id);
  const auto found = recovered.messages.find(id);
  if (found == recovered.messages.end()) {
    if (message.enqueue_in_doubt || message.discard_in_doubt) {
      messages_.erase(id);
      return {};
    }
    return fmt::format("{} was acknowledged and is lost", id.value());
  }
  const queue::RecoveredMessage& got = found->second;
  if (got.envelope.view() != envelope_of(id).view()) return "another envelope";
  const bool allowed = got.state == message.state ||
                       (message.state_in_doubt && got.state == *message.state_in_doubt);
  if (!allowed) {
    return fmt::format("{}: state {} of {} expected", id.value(), got.state.sequence,
                       message.state.sequence);
  }
  const auto content = store.open(id, got.location);
  if (!content) return "content: " + describe(content.error());
  if (content->view() != content_of(id, message.size).view()) return "another content";
  message.state = got.state;
  message.location = got.location;
  message.enqueue_in_doubt = message.discard_in_doubt = false;
  message.state_in_doubt.reset();
  return {};
}

std::string LogModel::check(queue::Store& store, const Recovered& recovered) {
  if (recovered.twice != 0) return "a message was reported twice";
  for (const auto& damage : recovered.damage) return damage.where + ": " + damage.why;
  for (const auto& [id, message] : recovered.messages) {
    if (!messages_.contains(id)) return fmt::format("{} came back or never was", id.value());
  }
  std::vector<mail::QueueId> ids;
  for (const auto& [id, message] : messages_) ids.push_back(id);
  for (const mail::QueueId id : ids) {
    if (auto complaint = check_one(store, id, recovered); !complaint.empty()) return complaint;
  }
  return {};
}

bool LogModel::step(queue::Store& store) {
  queue::Batch batch;
  const std::size_t count = 1 + random_() % shape_.batch_max;
  std::set<mail::QueueId> touched;
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint64_t kind = random_() % 10;
    if (messages_.empty() || kind < (messages_.size() < shape_.live_wanted ? 6 : 3)) {
      const mail::QueueId id(++last_id_);
      Message message;
      message.size = random_() % 3 == 0 ? random_() % 300 : random_() % shape_.content_max;
      message.keep = random_() % 1000 < shape_.keep_forever;
      batch.push_back(queue::Enqueue{id, envelope_of(id), content_of(id, message.size)});
      messages_.emplace(id, std::move(message));
      touched.insert(id);
      continue;
    }
    const auto at =
        std::next(messages_.begin(), static_cast<std::ptrdiff_t>(random_() % messages_.size()));
    if (!touched.insert(at->first).second) continue;
    if (kind < 8 && !at->second.keep) {
      batch.push_back(queue::Discard{at->first, at->second.location});
    } else {
      mail::Settlement settlement;
      settlement.sequence = at->second.state.sequence + 1;
      settlement.attempts = settlement.sequence;
      settlement.results = {{static_cast<std::uint32_t>(random_() % 2),
                             mail::RecipientStatus::deferred,
                             fmt::format("451 4.4.1 attempt {}", settlement.sequence)}};
      batch.push_back(queue::Settle{at->first, at->second.location, std::move(settlement)});
    }
  }
  return batch.empty() || apply(store, std::move(batch));
}

std::string LogModel::read_one(queue::Store& store) {
  if (messages_.empty()) return {};
  const auto at =
      std::next(messages_.begin(), static_cast<std::ptrdiff_t>(random_() % messages_.size()));
  const auto content = store.open(at->first, at->second.location);
  if (!content) return "content: " + describe(content.error());
  const bool same = content->view() == content_of(at->first, at->second.size).view();
  return same ? "" : "another content";
}

bool LogModel::discard_all(queue::Store& store) {
  while (!messages_.empty()) {
    queue::Batch batch;
    for (const auto& [id, message] : messages_) {
      batch.push_back(queue::Discard{id, message.location});
      if (batch.size() == 20) break;
    }
    if (!apply(store, std::move(batch))) return false;
  }
  return true;
}

bool LogModel::apply(queue::Store& store, queue::Batch batch) {
  auto results = commit(store, batch);
  if (results.size() != batch.size()) std::abort();
  bool alive = true;
  for (std::size_t i = 0; i < batch.size(); ++i) {
    if (results[i]) {
      acknowledged(batch[i], *results[i]);
    } else if (results[i].error().code == ErrorCode::storage_full) {
      ++refused_;
      if (const auto* enqueue = std::get_if<queue::Enqueue>(&batch[i]))
        messages_.erase(enqueue->id);
    } else {
      in_doubt(batch[i]);
      alive = false;
    }
  }
  return alive;
}

void LogModel::acknowledged(const queue::Mutation& mutation, const queue::Location& location) {
  if (const auto* enqueue = std::get_if<queue::Enqueue>(&mutation)) {
    messages_.at(enqueue->id).location = location;
  } else if (const auto* settle = std::get_if<queue::Settle>(&mutation)) {
    Message& message = messages_.at(settle->id);
    message.state.apply(settle->settlement);
    // The one it was known by before stays good.
    if (random_() % 2 == 0) message.location = location;
  } else {
    messages_.erase(std::get<queue::Discard>(mutation).id);
  }
}

void LogModel::in_doubt(const queue::Mutation& mutation) {
  if (const auto* enqueue = std::get_if<queue::Enqueue>(&mutation)) {
    messages_.at(enqueue->id).enqueue_in_doubt = true;
  } else if (const auto* settle = std::get_if<queue::Settle>(&mutation)) {
    Message& message = messages_.at(settle->id);
    message.state_in_doubt = message.state;
    message.state_in_doubt->apply(settle->settlement);
  } else {
    messages_.at(std::get<queue::Discard>(mutation).id).discard_in_doubt = true;
  }
}

}  // namespace brevdue::tests
