// What an SMTP server session needs from the rest of the system: ids, room, a place for messages,
// and the log. Implemented by the smtpd role over its channel to qmgr, and by a fake in tests.
//
// One thread. Every callback given here is called exactly once, either within the call that it was
// given to or later; it may call back into the Reception. The session that gave it may be gone by
// then: callbacks look after that themselves. If the channel breaks, all open callbacks get
// ErrorCode::unavailable. What is handed over is never taken back: a client that vanishes while its
// submit is open may find its message delivered.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>

#include "core/error.h"
#include "core/shared_bytes.h"
#include "mail/envelope.h"
#include "mail/queue_id.h"
#include "smtp/content_room.h"

namespace brevdue::smtp {

class Reception {
 public:
  using Done = std::move_only_function<void(Result<void>)>;

  virtual ~Reception() = default;

  // Why no message of this size (0: not announced) can be taken now: `unavailable` (451 4.3.0)
  // while there is no channel, `storage_full` (452 4.3.1). Asked at MAIL and once more at DATA.
  virtual Result<void> availability(std::uint64_t announced_size) const = 0;
  // Called at the first accepted RCPT of a transaction. Never twice the same.
  virtual mail::QueueId next_id() = 0;
  virtual ContentRoom& room() = 0;

  // Small content: all of it, CRLF line ends, with our Received field in front; the facts in the
  // envelope are those of exactly these bytes. Success means durable.
  virtual void submit(mail::Envelope&& envelope, SharedBytes content, Done done) = 0;

  // Large content, in order: begin_staging, append..., then finish or abort. `more` says that the
  // next chunk may come, or why none may: the session then calls abort and reads to the end of the
  // data. There is at most one append open for an id; abort may come while it is. The announced
  // size (0: none) is what room on the disk is kept for.
  virtual void begin_staging(mail::QueueId id, std::uint64_t announced_size) = 0;
  virtual void append(mail::QueueId id, SharedBytes chunk, Done more) = 0;
  virtual void finish(mail::Envelope&& envelope, Done done) = 0;
  virtual void abort(mail::QueueId id) = 0;

  // One line for the log under a program's name: "smtpd", or "cleanup" for the message-id line that
  // log tools look for there. The text may hold bytes of the client; the log makes them printable.
  virtual void log(std::string_view program, std::string_view text) = 0;
};

}  // namespace brevdue::smtp
