// What one SMTP session writes to the log, in Postfix's words, so that the tools that read
// Postfix's logs read ours. It also remembers what the lines repeat: the client, HELO's argument,
// the protocol and where the session stands. Pure.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "mail/envelope.h"
#include "smtp/command_parser.h"
#include "smtp/reception.h"

namespace brevdue::smtp {

class SessionLog {
 public:
  SessionLog(Reception& reception, std::string client_address)
      : reception_(reception), client_("unknown[" + client_address + "]") {}

  void greeted_by(std::string_view helo, bool extended);
  void reached(std::string_view where) { where_ = where; }
  void counted(Verb verb, bool succeeded);

  void connected();
  void disconnected();
  // `content_bytes` are those that came in after 354, where the session stands in the content.
  void lost(const std::uint64_t* content_bytes) { broken("lost connection", content_bytes); }
  void timed_out(const std::uint64_t* content_bytes) { broken("timeout", content_bytes); }
  void too_many_errors();
  void improper_pipelining(std::string_view bytes);
  void foreign_command(std::string_view line);
  // `reply` is the whole line sent; `to` is the recipient it is about, or empty.
  void rejected(std::string_view reply, const mail::Envelope& envelope, std::string_view to);
  void client(mail::QueueId id);
  void message_id(mail::QueueId id, std::string_view value);

 private:
  struct Count {
    unsigned all = 0;
    unsigned succeeded = 0;
  };
  void broken(std::string_view how, const std::uint64_t* content_bytes);
  void write(std::string_view text) { reception_.log("smtpd", text); }

  Reception& reception_;
  std::string client_;
  std::string helo_;
  std::string_view protocol_ = "SMTP";
  std::string_view where_ = "CONNECT";
  std::array<Count, verb_count> counts_{};
};

}  // namespace brevdue::smtp
