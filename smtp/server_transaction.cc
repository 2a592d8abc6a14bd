#include "smtp/server_transaction.h"

#include <algorithm>
#include <utility>

#include "mail/reply.h"
#include "smtp/address.h"
#include "smtp/parameters.h"

namespace brevdue::smtp {

static std::string path_reply(PathFault fault, std::string_view enhanced, std::string_view what) {
  if (fault == PathFault::control_character) {
    return "501 5.5.2 Control character in the address";
  }
  std::string reply = "501 ";
  reply.append(enhanced).append(" Bad ").append(what);
  reply.append(fault == PathFault::too_long ? " address: too long" : " address syntax");
  return reply;
}

static bool has_high_bytes(std::string_view text) {
  return std::ranges::any_of(text, [](char c) { return static_cast<unsigned char>(c) > 127; });
}

std::string ServerTransaction::refuse(std::string reply, std::string_view to) const {
  log_.rejected(reply, envelope_, to);
  return reply;
}

std::string ServerTransaction::mail(std::string_view argument) {
  if (open_) return "503 5.5.1 Error: nested MAIL command";
  const auto text = after_keyword(argument, "FROM:");
  if (!text) return "501 5.5.4 Syntax: MAIL FROM:<address>";
  auto path = parse_path(*text);
  if (!path) return path_reply(path.error(), "5.1.7", "sender");
  if (!path->has_domain && !path->mailbox.empty()) return "501 5.1.7 Bad sender address syntax";
  auto parameters = parse_mail_parameters(text->substr(path->bytes));
  if (!parameters) return std::string(parameters.error());
  if (path->utf8 && !parameters->smtputf8) {
    return "553 5.6.7 Address beyond ASCII without SMTPUTF8";
  }
  if (options_.size_limit != 0 && parameters->size.value_or(0) > options_.size_limit) {
    return refuse("552 5.3.4 Message size exceeds fixed limit");
  }
  if (const Result<void> available = reception_.availability(parameters->size.value_or(0));
      !available) {
    return refuse(mail::reply_for(available.error().code).line());
  }
  open_ = true;
  announced_size_ = parameters->size.value_or(0);
  envelope_.reverse_path = std::move(path->mailbox);
  envelope_.body = parameters->body;
  envelope_.smtputf8 = parameters->smtputf8;
  envelope_.dsn_return = parameters->dsn_return;
  envelope_.envelope_id = std::move(parameters->envelope_id);
  return "250 2.1.0 Ok";
}

std::string ServerTransaction::rcpt(std::string_view argument) {
  if (!open_) return "503 5.5.1 Error: need MAIL command";
  ++refused_recipients_;
  const auto text = after_keyword(argument, "TO:");
  if (!text) return "501 5.5.4 Syntax: RCPT TO:<address>";
  auto path = parse_path(*text);
  if (!path) return path_reply(path.error(), "5.1.3", "recipient");
  auto parameters = parse_rcpt_parameters(text->substr(path->bytes));
  if (!parameters) return std::string(parameters.error());
  if ((path->utf8 || has_high_bytes(parameters->original_recipient)) && !envelope_.smtputf8) {
    return "553 5.6.7 Address beyond ASCII without SMTPUTF8";
  }
  if (!path->has_domain) {
    // RFC 5321 4.5.1: the one mailbox that needs no domain.
    if (!equal_ignoring_case(path->mailbox, "postmaster")) {
      return "501 5.1.3 Bad recipient address syntax";
    }
    path->mailbox.append("@").append(options_.hostname);
  }
  if (envelope_.recipients.size() >= options_.recipients_max) {
    ++overshoot_;
    return refuse("452 4.5.3 Error: too many recipients", path->mailbox);
  }
  if (!may_relay_) {
    std::string reply = "554 5.7.1 <";
    reply.append(path->mailbox).append(">: Relay access denied");
    return refuse(std::move(reply), path->mailbox);
  }
  return accept_recipient(std::move(path->mailbox), std::move(parameters->original_recipient),
                          parameters->notify);
}

std::string ServerTransaction::accept_recipient(std::string mailbox, std::string original_recipient,
                                                std::uint8_t notify) {
  --refused_recipients_;
  if (envelope_.recipients.empty()) {
    envelope_.id = reception_.next_id();
    log_.client(envelope_.id);
  }
  envelope_.recipients.push_back({.address = std::move(mailbox),
                                  .original_recipient = std::move(original_recipient),
                                  .notify = notify});
  return "250 2.1.5 Ok";
}

std::optional<std::string> ServerTransaction::refuse_data() const {
  if (!open_) return "503 5.5.1 Error: need MAIL command";
  if (envelope_.recipients.empty()) {
    return refused_recipients_ > 0 ? "554 5.5.1 Error: no valid recipients"
                                   : "503 5.5.1 Error: need RCPT command";
  }
  if (const Result<void> available = reception_.availability(announced_size_); !available) {
    return refuse(mail::reply_for(available.error().code).line());
  }
  return std::nullopt;
}

void ServerTransaction::reset() {
  open_ = false;
  announced_size_ = 0;
  refused_recipients_ = 0;
  overshoot_ = 0;
  envelope_ = {};
}

}  // namespace brevdue::smtp
