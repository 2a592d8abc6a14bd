// Store: what a backend implements. Five verbs (recover, submit, open, look_up, verify) and no
// index of its own.
//
// Life: construct, start() once, then submit() and recover() side by side, open(), look_up() and
// verify() at any time after start(). start() may take a lock, read what it must to write safely,
// and create what is missing; it never waits for a scan, so that intake begins at once. recover()
// then reports what was committed when start() returned.
//
// Threads: start, submit and the destructor are called by the owner's one thread, begin_attended
// and attend as well; recover by one thread of its own; open, look_up and verify by one reader
// thread; done callbacks come from a thread of the store, or, if it is attended, within submit and
// attend. The destructor ends recover early (its thread returns `cancelled`; the owner waits until
// the sink was called or recover has returned), finishes the batches in flight and calls their
// done.
//
// Durability: a result is reported only when the mutation would survive a power cut at that
// instant. What a batch adds is durable no later than what it removes: a crash may keep both, never
// neither. A batch need not be atomic. After a failed write or sync every batch in flight fails
// with io_failure, everything later with unavailable, and nothing more is ever reported durable by
// this object: the only way back is to destroy it and construct another, whose recover() reads past
// the page cache. A sync is never retried.
//
// No room: an Enqueue may get storage_full; Settle and Discard of the same batch still work, space
// for them is reserved.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "core/error.h"
#include "core/shared_bytes.h"
#include "mail/envelope.h"
#include "mail/queue_id.h"
#include "mail/settlement.h"

namespace brevdue::queue {

// Where a store keeps a message: twelve bytes that only the store understands. Valid in the
// process that got it from this store object; never written to disk by anybody else.
struct Location {
  std::array<std::uint8_t, 12> bytes{};
  bool operator==(const Location&) const = default;
};

// Adds a message. `envelope` is mail::encode() of it. `content` is empty if the envelope's content
// is staged: the store then keeps the envelope only. Ids are unique: the queue never enqueues one
// twice.
struct Enqueue {
  mail::QueueId id;
  SharedBytes envelope;
  SharedBytes content;
};

// Writes down what became of recipients: a delta. Replaying it is harmless.
struct Settle {
  mail::QueueId id;
  Location location;
  mail::Settlement settlement;
  // The complete state once this and every settlement submitted before it are applied, where that
  // is short; a store may write it in place of the delta. Also of a replay: never an older state.
  std::optional<mail::Settlement> whole{};
};

// Removes a message for good. Replaying it is harmless.
struct Discard {
  mail::QueueId id;
  Location location;
};

using Mutation = std::variant<Enqueue, Settle, Discard>;
using Batch = std::vector<Mutation>;

// One result a mutation, in the batch's order. For Enqueue the location of the new message; for the
// others the location that is valid from now on (most stores return the one they were given).
using BatchResults = std::vector<Result<Location>>;
using BatchDone = std::move_only_function<void(BatchResults)>;

struct RecoveredMessage {
  mail::QueueId id;
  Location location;
  SharedBytes envelope;
  // The texts of replies may be left out, in some results or all: look_up() has them.
  mail::DeliveryState state;
};

// What a store knows of a message beside its content.
struct StoredMessage {
  SharedBytes envelope;
  mail::DeliveryState state;
  // A settlement is damaged or cannot be read, as far as the store noticed, and is not in the
  // state.
  bool state_is_older = false;
};

// Something damaged that was set aside, never deleted.
struct Quarantined {
  std::string where;  // file and offset, or file in the quarantine directory
  std::string why;
};

// Something kept of a queued message that is not as it was written, or cannot be read.
struct Damage {
  enum class Part : std::uint8_t { envelope, settlement, content };
  Part part = Part::content;
  std::string where;  // file and offset, as far as they are known; may be empty
  std::string what;
};

// What verify() found.
struct Verified {
  SharedBytes envelope;     // empty if it is damaged
  std::uint64_t bytes = 0;  // that were read
  std::vector<Damage> damage;
};

class RecoverySink {
 public:
  virtual ~RecoverySink() = default;
  // Called first by a store that reads long before it has something to report: from its first call
  // of any kind on, the store's destructor waits for recover.
  virtual void begun() {}
  // Exactly once for each message that was committed, and not discarded, when start() returned; in
  // no order. Envelopes have been checked against their checksum, not decoded.
  virtual void message(RecoveredMessage message) = 0;
  virtual void quarantined(Quarantined damage) = 0;
};

class Store {
 public:
  virtual ~Store() = default;

  virtual Result<void> start() = 0;

  // Once, after start(). Contents are not read. What is damaged is moved aside and reported; the
  // rest is reported all the same. An error means that the scan itself could not be finished.
  virtual Result<void> recover(RecoverySink& sink) = 0;

  // Returns at once. `done` is called exactly once, batches in the order of submission. At most
  // depth() batches are in flight.
  virtual void submit(Batch batch, BatchDone done) = 0;

  // For a store that can write in the owner's thread, which saves waking another for each batch:
  // once, after start(). The owner calls attend() whenever the descriptor, the store's, is
  // readable, and soon after `poke`, which any thread of the store may call. Nothing: it is not to
  // be attended.
  virtual std::optional<int> begin_attended([[maybe_unused]] std::function<void()> poke) {
    return std::nullopt;
  }
  virtual void attend() {}

  // How many batches the store wants in flight at once: 1 unless more are faster. May change while
  // it runs; any thread.
  virtual unsigned depth() const = 0;

  // The content of a message, checked against its checksum (corrupt if it does not match or if `id`
  // is not what lies there). The caller owns the bytes.
  virtual Result<SharedBytes> open(mail::QueueId id, const Location& location) = 0;

  // Envelope and delivery state of a queued message; its content is not read. The envelope is
  // checked against its checksum, not decoded. In the state are all settlements that were durable
  // when this was called; later ones may be. A damaged one is left out, as recovery leaves it out:
  // the attempt is repeated. Errors as of open().
  virtual Result<StoredMessage> look_up(mail::QueueId id, const Location& location) = 0;

  // Reads all that is kept of a queued message past what the store has in memory, and checks it.
  // Damage is in the result. An error says that nothing was found out: not_found if it is gone.
  // Unless a store knows better, what look_up() and open() say.
  virtual Result<Verified> verify(mail::QueueId id, const Location& location);

  // Bytes of new content that still fit, the reserve taken off. An estimate; any thread.
  virtual std::uint64_t room() const = 0;
};

}  // namespace brevdue::queue
