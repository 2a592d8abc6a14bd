#include "queue/store.h"

#include <utility>

namespace brevdue::queue {

namespace {
// Of the message itself; anything else says nothing about it.
bool is_damage(ErrorCode code) {
  return code == ErrorCode::corrupt || code == ErrorCode::io_failure;
}
}  // namespace

Result<Verified> Store::verify(mail::QueueId id, const Location& location) {
  Verified verified;
  auto stored = look_up(id, location);
  if (!stored && !is_damage(stored.error().code)) return propagate(std::move(stored.error()));
  if (stored) {
    verified.envelope = std::move(stored->envelope);
    verified.bytes += verified.envelope.size();
  } else {
    verified.damage.push_back({Damage::Part::envelope, {}, describe(stored.error())});
  }
  auto content = open(id, location);
  if (!content && !is_damage(content.error().code)) return propagate(std::move(content.error()));
  if (content) {
    verified.bytes += content->size();
  } else {
    verified.damage.push_back({Damage::Part::content, {}, describe(content.error())});
  }
  return verified;
}

}  // namespace brevdue::queue
