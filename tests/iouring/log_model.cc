#include "tests/iouring/log_model.h"

#include <algorithm>
#include <future>
#include <mutex>
#include <set>
#include <utility>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/support/attended_store.h"
#include "tests/support/delivery_states.h"

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

std::unique_ptr<queue::Store> store_on(SimulatedDisk& disk, backends::LogStoreOptions options) {
  auto store = std::make_unique<backends::LogStore>(std::move(options), disk.device());
  if (!disk.attended()) return store;
  return std::make_unique<AttendedStore>(std::move(store));
}

queue::BatchResults commit(queue::Store& store, queue::Batch batch) {
  std::promise<queue::BatchResults> promise;
  auto future = promise.get_future();
  store.submit(std::move(batch),
               [&](queue::BatchResults results) { promise.set_value(std::move(results)); });
  return future.get();
}

std::vector<queue::BatchResults> commit_all(queue::Store& store,
                                            const std::vector<queue::Batch>& batches) {
  std::mutex mutex;
  std::vector<queue::BatchResults> results(batches.size());
  std::size_t answered = 0;
  std::promise<void> all;
  for (std::size_t i = 0; i < batches.size(); ++i) {
    store.submit(batches[i], [&, i](queue::BatchResults own) {
      const std::lock_guard lock(mutex);
      EXPECT_EQ(i, answered) << "not answered in the order of submission";
      results[i] = std::move(own);
      if (++answered == results.size()) all.set_value();
    });
  }
  all.get_future().wait();
  const std::lock_guard lock(mutex);
  return results;
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
  // What is in doubt becomes what it is, replies and all.
  auto& possible = message.states_in_doubt;
  possible.push_back(message.state);
  const auto real = std::ranges::find_if(possible, [&](const mail::DeliveryState& state) {
    return is_same_but_for_replies(got.state, state);
  });
  if (real == possible.end()) {
    return fmt::format("{}: state {} of {} expected", id.value(), got.state.sequence,
                       message.state.sequence);
  }
  const auto content = store.open(id, got.location);
  if (!content) return "content: " + describe(content.error());
  if (content->view() != content_of(id, message.size).view()) return "another content";
  message.state = *real;
  message.location = got.location;
  message.enqueue_in_doubt = message.discard_in_doubt = false;
  possible.clear();
  return look_up(store, id, message);
}

std::string LogModel::look_up(queue::Store& store, mail::QueueId id, const Message& message) {
  const auto found = store.look_up(id, message.location);
  if (!found) return "look-up: " + describe(found.error());
  if (found->envelope.view() != envelope_of(id).view()) return "look-up: another envelope";
  if (found->state == message.state) return {};
  return fmt::format("look-up of {}: state {} of {} expected", id.value(), found->state.sequence,
                     message.state.sequence);
}

bool LogModel::is_visible(const queue::Mutation& mutation, const Recovered& recovered) const {
  const auto id = std::visit([](const auto& one) { return one.id; }, mutation);
  const auto found = recovered.messages.find(id);
  const bool is_there = found != recovered.messages.end();
  if (std::holds_alternative<queue::Discard>(mutation)) return !is_there;
  const auto* settle = std::get_if<queue::Settle>(&mutation);
  if (settle == nullptr) return is_there;
  // What became of a message that is gone cannot be seen.
  return !is_there || found->second.state.sequence >= settle->settlement.sequence;
}

// A log that ends somewhere: what is there of a batch means that all before it are there whole.
std::string LogModel::check_order(const Recovered& recovered) {
  bool something_is_missing = false;
  for (const queue::Batch& batch : std::exchange(in_doubt_, {})) {
    bool whole = true;
    bool adds_less = false;
    bool discards = false;
    for (const queue::Mutation& mutation : batch) {
      const bool seen = is_visible(mutation, recovered);
      adds_less = adds_less || (!seen && std::holds_alternative<queue::Enqueue>(mutation));
      discards = discards || (seen && std::holds_alternative<queue::Discard>(mutation));
    }
    // What was refused was no part of the batch, and in doubt only for want of an answer.
    if (adds_less && discards && !shape_.may_keep_refused)
      return "a discard is durable, what its batch adds is not";
    for (const queue::Mutation& mutation : batch) {
      const bool visible = is_visible(mutation, recovered);
      const bool says_nothing = visible && std::holds_alternative<queue::Settle>(mutation);
      if (visible && something_is_missing && !says_nothing) {
        return "a batch was kept though one before it was not";
      }
      whole = whole && visible;
    }
    something_is_missing = something_is_missing || !whole;
  }
  return {};
}

std::string LogModel::check(queue::Store& store, const Recovered& recovered) {
  if (recovered.twice != 0) return "a message was reported twice";
  for (const auto& damage : recovered.damage) {
    if (!shape_.may_set_aside) return damage.where + ": " + damage.why;
  }
  for (const auto& [id, message] : recovered.messages) {
    if (auto kept = refused_messages_.extract(id); kept && shape_.may_keep_refused) {
      kept.mapped().enqueue_in_doubt = true;
      messages_.insert(std::move(kept));
    }
    if (!messages_.contains(id)) return fmt::format("{} came back or never was", id.value());
  }
  if (auto complaint = check_order(recovered); !complaint.empty()) return complaint;
  std::vector<mail::QueueId> ids;
  for (const auto& [id, message] : messages_) ids.push_back(id);
  for (const mail::QueueId id : ids) {
    if (auto complaint = check_one(store, id, recovered); !complaint.empty()) return complaint;
  }
  return {};
}

bool LogModel::step(queue::Store& store) {
  std::size_t count = 1;
  if (shape_.in_flight_max > 1) count += random_() % shape_.in_flight_max;
  std::vector<queue::Batch> batches;
  for (std::size_t i = 0; i < count; ++i) {
    queue::Batch batch = make_batch();
    if (!batch.empty()) batches.push_back(std::move(batch));
  }
  return batches.empty() || apply(store, batches);
}

queue::Batch LogModel::make_batch() {
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
      continue;
    }
    const auto at =
        std::next(messages_.begin(), static_cast<std::ptrdiff_t>(random_() % messages_.size()));
    auto& [id, message] = *at;
    // Where a message lies is known when its Enqueue has been answered, not before.
    const bool is_known = message.location != queue::Location();
    if (!is_known || message.discarding || !touched.insert(id).second) continue;
    batch.push_back(make_change(id, message, kind < 8 && !message.keep));
  }
  return batch;
}

queue::Mutation LogModel::make_change(mail::QueueId id, Message& message, bool discard) {
  if (discard) {
    message.discarding = true;
    return queue::Discard{id, message.location};
  }
  mail::Settlement settlement;
  settlement.sequence = message.state.sequence + ++message.settlements_asked;
  settlement.attempts = settlement.sequence;
  settlement.results = {{static_cast<std::uint32_t>(random_() % 2), mail::RecipientStatus::deferred,
                         fmt::format("451 4.4.1 attempt {}", settlement.sequence)}};
  queue::Settle settle{id, message.location, settlement};
  // Mostly whole: a gathered state costs a scan. One before it that is in flight may be refused.
  if (message.settlements_asked == 1 && random_() % 4 != 0) {
    mail::DeliveryState after = message.state;
    after.apply(settlement);
    settle.whole = mail::as_settlement(after);
  }
  return settle;
}

std::string LogModel::read_one(queue::Store& store) {
  if (messages_.empty()) return {};
  const auto at =
      std::next(messages_.begin(), static_cast<std::ptrdiff_t>(random_() % messages_.size()));
  const auto content = store.open(at->first, at->second.location);
  if (!content) return "content: " + describe(content.error());
  const bool same = content->view() == content_of(at->first, at->second.size).view();
  return same ? look_up(store, at->first, at->second) : "another content";
}

bool LogModel::discard_all(queue::Store& store) {
  while (!messages_.empty()) {
    queue::Batch batch;
    for (const auto& [id, message] : messages_) {
      batch.push_back(queue::Discard{id, message.location});
      if (batch.size() == 20) break;
    }
    if (!apply(store, {std::move(batch)})) return false;
  }
  return true;
}

bool LogModel::apply(queue::Store& store, const std::vector<queue::Batch>& batches) {
  const auto results = commit_all(store, batches);
  bool alive = true;
  for (std::size_t batch = 0; batch < batches.size(); ++batch) {
    if (results[batch].size() != batches[batch].size()) std::abort();
    queue::Batch doubtful;
    for (std::size_t i = 0; i < batches[batch].size(); ++i) {
      const queue::Mutation& mutation = batches[batch][i];
      const auto& result = results[batch][i];
      if (result) {
        EXPECT_TRUE(alive) << "acknowledged after an earlier one had failed";
        acknowledged(mutation, *result);
      } else if (result.error().code == ErrorCode::storage_full) {
        refused(mutation);
      } else {
        in_doubt(mutation);
        doubtful.push_back(mutation);
      }
    }
    alive = alive && doubtful.empty();
    if (!doubtful.empty()) in_doubt_.push_back(std::move(doubtful));
  }
  for (auto& [id, message] : messages_) {
    message.discarding = false;
    message.settlements_asked = 0;
  }
  return alive;
}

void LogModel::refused(const queue::Mutation& mutation) {
  ++refused_;
  const auto* enqueue = std::get_if<queue::Enqueue>(&mutation);
  if (enqueue != nullptr) refused_messages_.insert(messages_.extract(enqueue->id));
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
    auto& states = message.states_in_doubt;
    states.push_back(states.empty() ? message.state : states.back());
    states.back().apply(settle->settlement);
  } else {
    messages_.at(std::get<queue::Discard>(mutation).id).discard_in_doubt = true;
  }
}

}  // namespace brevdue::tests
