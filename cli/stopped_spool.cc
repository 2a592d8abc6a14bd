#include "cli/stopped_spool.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include <fcntl.h>

#include "core/file_system.h"
#include "daemon/module_options.h"
#include "daemon/store_choice.h"
#include "queue/spool_directory.h"

namespace brevdue::cli {

namespace {
class Messages final : public queue::RecoverySink {
 public:
  explicit Messages(std::function<void(const std::string&)> on_damage)
      : on_damage_(std::move(on_damage)) {}
  void message(queue::RecoveredMessage message) override { found.push_back(std::move(message)); }
  void quarantined(queue::Quarantined damage) override {
    on_damage_(damage.where + ": " + damage.why);
  }
  std::vector<queue::RecoveredMessage> found;

 private:
  std::function<void(const std::string&)> on_damage_;
};

struct OpenSpool {
  RealFileSystem files;
  SystemClock clock;
  Log log{LogOptions{}, clock};
  std::unique_ptr<queue::SpoolDirectory> directory;
  std::unique_ptr<queue::Store> store;
};

Result<std::unique_ptr<OpenSpool>> open_spool(const config::Config& config, Messages& messages) {
  auto spool = std::make_unique<OpenSpool>();
  queue::SpoolOptions options = daemon::spool_options(config);
  options.read_only = true;
  auto directory = queue::SpoolDirectory::open(spool->files, options);
  if (!directory) return propagate(std::move(directory.error()));
  spool->directory = std::make_unique<queue::SpoolDirectory>(std::move(*directory));
  auto store = daemon::make_store(config, spool->directory->path(), spool->log, true);
  if (!store) return propagate(std::move(store.error()));
  spool->store = std::move(*store);
  if (auto done = spool->store->start(); !done) return propagate(std::move(done.error()));
  if (auto done = spool->store->recover(messages); !done) return propagate(std::move(done.error()));
  std::ranges::sort(messages.found, {}, &queue::RecoveredMessage::id);
  return spool;
}

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
  Messages messages(on_damage);
  auto spool = open_spool(config, messages);
  if (!spool) return propagate(std::move(spool.error()));
  for (const queue::RecoveredMessage& message : messages.found) {
    auto envelope = mail::decode_envelope(message.envelope.view());
    if (envelope)
      on_entry(
          ipc::make_queue_entry(*envelope, state_of(*(*spool)->store, message, on_damage), false));
    else
      on_damage(message.id.text() + ": " + describe(envelope.error()));
  }
  return {};
}

Result<StoppedMessage> read_stopped_message(const config::Config& config, mail::QueueId id) {
  Messages messages([](const std::string&) {});
  auto spool = open_spool(config, messages);
  if (!spool) return propagate(std::move(spool.error()));
  const auto at = std::ranges::find(messages.found, id, &queue::RecoveredMessage::id);
  if (at == messages.found.end())
    return fail(ErrorCode::not_found, id.text() + ": no such message in the spool");
  auto envelope = mail::decode_envelope(at->envelope.view());
  if (!envelope) return propagate(std::move(envelope.error()));
  auto found = (*spool)->store->look_up(id, at->location);
  if (!found) return propagate(std::move(found.error()));
  const mail::DeliveryState& state = found->state;
  StoppedMessage message{ipc::make_queue_entry(*envelope, state, false), {}};
  if (envelope->content.staged) {
    auto content = read_file((*spool)->files, (*spool)->directory->fd(), "staged/" + id.text(),
                             envelope->content.size);
    if (!content) return propagate(std::move(content.error()));
    message.content = std::move(*content);
    return message;
  }
  auto content = (*spool)->store->open(id, at->location);
  if (!content) return propagate(std::move(content.error()));
  message.content = content->view();
  return message;
}

}  // namespace brevdue::cli
