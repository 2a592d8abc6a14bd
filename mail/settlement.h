// What became of a queued message: a Settlement is one change, written as a delta; DeliveryState is
// what all of them add up to, and what recovery reports.
//
// Applying a settlement twice, or an older one after a newer one (by attempt number), leaves the
// state as it was, so that a log may be replayed. A recipient that is relayed or failed stays so.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/clock.h"
#include "core/error.h"
#include "mail/envelope.h"

namespace brevdue::mail {

inline constexpr std::size_t reply_bytes_max = 512;

enum class RecipientStatus : std::uint8_t {
  pending,   // no attempt has ended yet
  deferred,  // to be tried again
  relayed,   // the next hop took responsibility
  failed,    // will not be tried again; a DSN was owed
};

struct RecipientResult {
  std::uint32_t recipient;  // index into Envelope::recipients
  RecipientStatus status;
  std::string reply;  // the next hop's reply or our reason, at most reply_bytes_max

  bool operator==(const RecipientResult&) const = default;
};

struct Settlement {
  // Numbers the settlements of one message upward from 1; the order in which they apply.
  std::uint32_t sequence = 0;
  std::uint32_t attempts = 0;  // delivery attempts that have ended
  std::uint32_t suspect = 0;   // attempts during which a delivery process crashed
  WallTime next_attempt{};
  bool held = false;
  bool delay_notified = false;           // a delayed DSN has been sent
  std::vector<RecipientResult> results;  // only those that this settlement touches

  bool operator==(const Settlement&) const = default;
};

struct DeliveryState {
  std::uint32_t sequence = 0;
  std::uint32_t attempts = 0;
  std::uint32_t suspect = 0;
  WallTime next_attempt{};
  bool held = false;
  bool delay_notified = false;
  std::vector<RecipientResult> results;  // in order of recipient, at most one each; others pending

  void apply(const Settlement& settlement);
  RecipientStatus status_of(std::uint32_t recipient) const;
  // Recipients that are neither relayed nor failed.
  std::size_t open_recipients(std::size_t recipient_count) const;
  bool operator==(const DeliveryState&) const = default;
};

std::string encode(const Settlement& settlement);
Result<Settlement> decode_settlement(std::string_view bytes);

// The state as one settlement that turns an empty state into it: how a backend writes a state
// whole.
Settlement as_settlement(const DeliveryState& state);

}  // namespace brevdue::mail
