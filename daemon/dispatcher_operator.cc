// What the operator's commands do to a queued message.
#include <utility>

#include <fmt/format.h>

#include "daemon/dispatcher.h"

namespace brevdue::daemon {

using mail::RecipientStatus;

void Dispatcher::hold(const queue::MessagePtr& message, Done done) {
  const mail::QueueId id = message->id;
  if (!queue_.stays(id)) return done(fail(ErrorCode::not_found, id.text()));
  mail::Settlement settlement = unchanged(message->state);
  settlement.held = true;
  scheduler_.hold(id);
  settle_only(id, std::move(settlement), std::move(done));
}

void Dispatcher::release(const queue::MessagePtr& message, Done done) {
  const mail::QueueId id = message->id;
  if (!queue_.stays(id)) return done(fail(ErrorCode::not_found, id.text()));
  mail::Settlement settlement = unchanged(message->state);
  settlement.held = false;
  settlement.suspect = 0;
  settlement.next_attempt = clock_.wall();
  scheduler_.release(id, clock_.steady());
  pump_soon();
  settle_only(id, std::move(settlement), std::move(done));
}

Result<void> Dispatcher::retry(const queue::QueuedMessage& message) {
  const mail::QueueId id = message.id;
  if (message.state.held) {
    return fail(ErrorCode::busy, id.text() + " is held; `brevdue queue release` ends that");
  }
  scheduler_.retry(id, clock_.steady());
  pump_soon();
  return {};
}

std::size_t Dispatcher::flush() {
  pump_soon();
  return scheduler_.flush(clock_.steady());
}

std::optional<std::size_t> Dispatcher::flush(const std::string& destination) {
  if (!options_.relay_host.empty()) return std::nullopt;
  pump_soon();
  return scheduler_.flush(destination, clock_.steady());
}

// Fails every recipient that is still open and sends the DSN. Where an attempt is under way it may
// be relayed all the same: the sender is then told too much, never too little.
void Dispatcher::bounce(const queue::MessagePtr& message, Done done) {
  const mail::QueueId id = message->id;
  if (!queue_.stays(id)) return done(fail(ErrorCode::not_found, id.text()));
  auto envelope = mail::decode_envelope(message->envelope.view());
  BREVDUE_ASSERT(envelope.has_value());
  Conclusion conclusion;
  conclusion.settlement = unchanged(message->state);
  for (std::uint32_t i = 0; i < envelope->recipients.size(); ++i) {
    const RecipientStatus status = message->state.status_of(i);
    if (status == RecipientStatus::relayed || status == RecipientStatus::failed) continue;
    const std::string reason = "returned to its sender by the postmaster";
    conclusion.settlement.results.push_back({i, RecipientStatus::failed, reason});
    ++conclusion.closed;
    mail::DsnRecipient owed{.recipient = i, .action = mail::DsnAction::failed};
    owed.reply = "550 5.7.1 " + reason;
    conclusion.owed.push_back(std::move(owed));
    log_.as("error", fmt::format("{}: to=<{}>, relay=none, delay=0, delays=0/0/0/0, dsn=5.7.1, "
                                 "status=bounced ({})",
                                 id.text(), envelope->recipients[i].address, reason));
  }
  scheduler_.remove(id);
  write_down(message, *envelope, std::move(conclusion), std::move(done));
}

void Dispatcher::discard(mail::QueueId id, Done done) {
  scheduler_.remove(id);
  queue_.discard(id, {}, [this, id, done = std::move(done)](Result<void> result) mutable {
    if (result) log_.info(id.text() + ": removed by the operator");
    done(result);
  });
}

}  // namespace brevdue::daemon
