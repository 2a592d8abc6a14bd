// One mail transaction of a session, from MAIL to the end of the content (RFC 5321 3.3): decides
// about reverse-path and recipients and collects the envelope. Pure; owned by the session.
//
// mail() and rcpt() return the whole reply line. Relaying is decided here: only for clients in
// mynetworks; there are no local mailboxes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "mail/envelope.h"
#include "smtp/reception.h"
#include "smtp/server_options.h"
#include "smtp/session_log.h"

namespace brevdue::smtp {

class ServerTransaction {
 public:
  ServerTransaction(const ServerOptions& options, Reception& reception, SessionLog& log,
                    bool may_relay)
      : options_(options), reception_(reception), log_(log), may_relay_(may_relay) {}

  bool open() const { return open_; }
  std::string mail(std::string_view argument);
  std::string rcpt(std::string_view argument);
  // What DATA has to be refused with, if anything.
  std::optional<std::string> refuse_data() const;

  std::uint64_t announced_size() const { return announced_size_; }
  // Recipients beyond recipients_max, in this transaction.
  unsigned overshoot() const { return overshoot_; }
  const mail::Envelope& envelope() const { return envelope_; }
  mail::Envelope& envelope() { return envelope_; }
  void reset();

 private:
  std::string accept_recipient(std::string mailbox, std::string original_recipient,
                               std::uint8_t notify);
  std::string refuse(std::string reply, std::string_view to = {}) const;

  const ServerOptions& options_;
  Reception& reception_;
  SessionLog& log_;
  const bool may_relay_;
  bool open_ = false;
  std::uint64_t announced_size_ = 0;
  unsigned refused_recipients_ = 0;
  unsigned overshoot_ = 0;
  mail::Envelope envelope_;
};

}  // namespace brevdue::smtp
