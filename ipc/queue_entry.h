// A queued message as the operator's commands see it, and its encoding on the control socket.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/clock.h"
#include "core/error.h"
#include "mail/envelope.h"
#include "mail/settlement.h"

namespace brevdue::ipc {

struct QueueEntryRecipient {
  std::string address;
  std::string original_recipient;
  mail::RecipientStatus status = mail::RecipientStatus::pending;
  std::string reason;  // the last reply, empty if there was none
};

struct QueueEntry {
  mail::QueueId id;
  WallTime arrival{};
  std::uint64_t size = 0;
  std::string reverse_path;
  bool active = false;  // an attempt is under way
  bool held = false;
  std::uint32_t attempts = 0;
  WallTime next_attempt{};
  std::vector<QueueEntryRecipient> recipients;  // those neither relayed nor failed

  // "active", "hold", "deferred" or "incoming", as postqueue -j names queues.
  std::string_view queue_name() const;
};

// `active` is what the caller knows; everything else is in the envelope and the state.
QueueEntry make_queue_entry(const mail::Envelope& envelope, const mail::DeliveryState& state,
                            bool active);

std::string encode(const QueueEntry& entry);
Result<QueueEntry> decode_queue_entry(std::string_view payload);

}  // namespace brevdue::ipc
