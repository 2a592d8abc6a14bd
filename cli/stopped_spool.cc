#include "cli/stopped_spool.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "cli/opened_spool.h"

namespace brevdue::cli {

namespace {
// Recovery may have left out the replies. Without them the state still holds.
mail::DeliveryState state_of(queue::Store& store, const queue::RecoveredMessage& message,
                             const std::function<void(const std::string&)>& on_damage) {
  auto found = store.look_up(message.id, message.location);
  if (found) return std::move(found->state);
  on_damage(message.id.text() + ": replies cannot be read: " + describe(found.error()));
  return message.state;
}
}  // namespace

Result<void> list_stopped_spool(const config::Config& config,
                                const std::function<void(const ipc::QueueEntry&)>& on_entry,
                                const std::function<void(const std::string&)>& on_damage) {
  RecoveredMessages messages(
      [&](const queue::Quarantined& damage) { on_damage(damage.where + ": " + damage.why); });
  auto spool = OpenedSpool::open(config, messages);
  if (!spool) return propagate(std::move(spool.error()));
  for (const queue::RecoveredMessage& message : messages.found) {
    auto envelope = mail::decode_envelope(message.envelope.view());
    if (envelope)
      on_entry(
          ipc::make_queue_entry(*envelope, state_of((*spool)->store(), message, on_damage), false));
    else
      on_damage(message.id.text() + ": " + describe(envelope.error()));
  }
  return {};
}

Result<StoppedMessage> read_stopped_message(const config::Config& config, mail::QueueId id) {
  RecoveredMessages messages([](const queue::Quarantined&) {});
  auto spool = OpenedSpool::open(config, messages);
  if (!spool) return propagate(std::move(spool.error()));
  const auto at = std::ranges::find(messages.found, id, &queue::RecoveredMessage::id);
  if (at == messages.found.end())
    return fail(ErrorCode::not_found, id.text() + ": no such message in the spool");
  auto envelope = mail::decode_envelope(at->envelope.view());
  if (!envelope) return propagate(std::move(envelope.error()));
  auto found = (*spool)->store().look_up(id, at->location);
  if (!found) return propagate(std::move(found.error()));
  const mail::DeliveryState& state = found->state;
  StoppedMessage message{ipc::make_queue_entry(*envelope, state, false), {}};
  if (envelope->content.staged) {
    auto content = read_file((*spool)->files(), (*spool)->directory().fd(), "staged/" + id.text(),
                             envelope->content.size);
    if (!content) return propagate(std::move(content.error()));
    message.content = std::move(*content);
    return message;
  }
  auto content = (*spool)->store().open(id, at->location);
  if (!content) return propagate(std::move(content.error()));
  message.content = content->view();
  return message;
}

}  // namespace brevdue::cli
