#include "mail/dsn.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "core/crc32c.h"
#include "mail/dsn_text.h"

namespace brevdue::mail {

static constexpr std::size_t reports_bytes_max = 48 * 1024;  // per message, both readable parts
static constexpr std::size_t returned_bytes_bound = 64 * 1024;
static constexpr std::size_t returned_header_max = 32 * 1024;

bool dsn_owed(const Envelope& original, const Recipient& recipient, DsnAction action) {
  if (original.reverse_path.empty()) return false;
  const std::uint8_t notify = recipient.notify;
  if ((notify & DsnNotify::never) != 0) return false;
  switch (action) {
    case DsnAction::failed:
      return notify == DsnNotify::unset || (notify & DsnNotify::failure) != 0;
    case DsnAction::delayed:
      return notify == DsnNotify::unset || (notify & DsnNotify::delay) != 0;
    case DsnAction::relayed:
      return (notify & DsnNotify::success) != 0;
  }
  return false;
}

ContentFacts facts_of(std::string_view content) {
  ContentFacts facts;
  facts.size = content.size();
  facts.crc32c = crc32c(content);
  facts.eight_bit = !is_ascii(content);
  const std::size_t empty_line = content.find("\r\n\r\n");
  facts.header_length = static_cast<std::uint32_t>(
      content.starts_with("\r\n") ? 2 : std::min(empty_line + 4, content.size()));
  if (empty_line == std::string_view::npos && !content.starts_with("\r\n")) {
    facts.header_length = static_cast<std::uint32_t>(content.size());
  }
  for (std::size_t at = 0; at < content.size();) {
    const std::size_t end = std::min(content.find("\r\n", at), content.size());
    facts.longest_line = std::max(facts.longest_line, static_cast<std::uint32_t>(end - at));
    at = end + 2;
  }
  return facts;
}

namespace {

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

std::string_view action_name(DsnAction action) {
  static constexpr std::array<std::string_view, 3> names = {"failed", "delayed", "relayed"};
  return names[static_cast<std::size_t>(action)];
}

// The enhanced status code at the start of `text` (RFC 3463 2), or empty.
std::string_view enhanced_code(std::string_view text) {
  if (text.size() < 5 || (text[0] != '2' && text[0] != '4' && text[0] != '5')) return {};
  std::size_t at = 1;
  for (int part = 0; part < 2; ++part) {
    if (at >= text.size() || text[at] != '.') return {};
    const std::size_t start = ++at;
    while (at < text.size() && is_digit(text[at])) ++at;
    if (at == start || at - start > 3) return {};
  }
  if (at < text.size() && text[at] != ' ') return {};
  return text.substr(0, at);
}

// What Status says: for what was tried for too long that (RFC 3463 3.5; the last reply stands in
// Diagnostic-Code), else the enhanced code of the reply where it has one of the class of the reply
// code, else that class alone.
std::string status_of(const DsnRecipient& report) {
  if (report.expired) return "4.4.7";
  static constexpr std::array<std::string_view, 3> fallback = {"5.0.0", "4.0.0", "2.0.0"};
  const std::string_view reply = report.reply;
  const bool coded = reply.size() >= 3 && std::all_of(reply.begin(), reply.begin() + 3, is_digit) &&
                     (reply.size() == 3 || reply[3] == ' ' || reply[3] == '-');
  const std::string_view rest =
      coded ? reply.substr(std::min<std::size_t>(4, reply.size())) : reply;
  const std::string_view code = enhanced_code(rest);
  if (!code.empty() && (!coded || code[0] == reply[0])) return std::string(code);
  if (coded && (reply[0] == '2' || reply[0] == '4' || reply[0] == '5')) {
    return fmt::format("{}.0.0", reply[0]);
  }
  return std::string(fallback[static_cast<std::size_t>(report.action)]);
}

class DsnWriter {
 public:
  explicit DsnWriter(const DsnRequest& request) : request_(request) {}

  void choose_form(const std::vector<DsnRecipient>& reports);
  std::string human_report(const DsnRecipient& report) const;
  std::string status_report(const DsnRecipient& report) const;
  Dsn assemble(const std::vector<DsnRecipient>& reports, std::string_view human,
               std::string_view status, QueueId id) const;

 private:
  std::string field(std::string_view name, std::string_view value) const {
    return header_field(name, printable(value, utf8_));
  }
  std::string_view introduction(DsnAction worst) const;
  std::string original_recipient(std::string_view orcpt) const;
  std::string status_head() const;
  std::string returned(DsnAction worst, std::string_view& type) const;
  std::string header(DsnAction worst, QueueId id, std::string_view boundary, bool eight_bit) const;

  const DsnRequest& request_;
  bool utf8_ = false;
};

void DsnWriter::choose_form(const std::vector<DsnRecipient>& reports) {
  utf8_ = request_.original.smtputf8 || !is_ascii(request_.original.reverse_path);
  for (const DsnRecipient& report : reports) {
    utf8_ = utf8_ || !is_ascii(request_.original.recipients[report.recipient].address);
  }
}

std::string_view DsnWriter::introduction(DsnAction worst) const {
  switch (worst) {
    case DsnAction::failed:
      return "I'm sorry to have to inform you that your message could not\r\n"
             "be delivered to one or more recipients. It's attached below.\r\n"
             "\r\n"
             "For further assistance, please send mail to postmaster.\r\n"
             "\r\n"
             "If you do so, please include this problem report. You can\r\n"
             "delete your own text from the attached returned message.\r\n";
    case DsnAction::delayed:
      return "####################################################################\r\n"
             "# THIS IS A WARNING ONLY.  YOU DO NOT NEED TO RESEND YOUR MESSAGE. #\r\n"
             "####################################################################\r\n"
             "\r\n"
             "Your message could not be delivered yet to one or more recipients.\r\n"
             "It will be retried until it is too old.\r\n"
             "\r\n"
             "For further assistance, please send mail to postmaster.\r\n";
    case DsnAction::relayed:
      break;
  }
  return "Your message was passed on to the mail system of one or more\r\n"
         "recipients, which does not send delivery reports. You will get\r\n"
         "no further notice when it arrives.\r\n";
}

std::string DsnWriter::human_report(const DsnRecipient& report) const {
  const std::string& address = request_.original.recipients[report.recipient].address;
  std::string text = fmt::format("<{}>: ", address);
  if (report.expired) text += "delivery was given up, it was tried for too long. Last reason: ";
  if (!report.remote_mta.empty()) text += fmt::format("host {} said: ", report.remote_mta);
  text += report.reply.empty() ? "no reason is known" : report.reply;
  return paragraph(printable(text, utf8_)) + "\r\n";
}

std::string DsnWriter::original_recipient(std::string_view orcpt) const {
  const std::size_t semicolon = orcpt.find(';');
  if (semicolon == std::string_view::npos) return {};
  const std::string_view type = orcpt.substr(0, semicolon);
  const std::string_view address = orcpt.substr(semicolon + 1);
  // utf-8-addr-xtext (RFC 6533 3) is valid in a report as it stands.
  const bool utf8_type = type == "utf-8" || type == "UTF-8";
  return fmt::format("{}; {}", type, utf8_type ? std::string(address) : decode_xtext(address));
}

std::string DsnWriter::status_report(const DsnRecipient& report) const {
  const Recipient& recipient = request_.original.recipients[report.recipient];
  std::string out = "\r\n";
  if (const auto original = original_recipient(recipient.original_recipient); !original.empty()) {
    out += field("Original-Recipient", original);
  }
  out += field(
      "Final-Recipient",
      fmt::format("{}; {}", is_ascii(recipient.address) ? "rfc822" : "utf-8", recipient.address));
  out += field("Action", action_name(report.action));
  out += field("Status", status_of(report));
  if (!report.remote_mta.empty()) {
    // "host[address]:port" is for people; the field wants the name.
    const std::string_view host = report.remote_mta;
    out += field("Remote-MTA", fmt::format("dns; {}", host.substr(0, host.find('['))));
  }
  if (!report.reply.empty()) {
    out += field(
        "Diagnostic-Code",
        fmt::format("{}; {}", report.remote_mta.empty() ? "X-Brevdue" : "smtp", report.reply));
  }
  if (report.last_attempt != WallTime{}) {
    out += field("Last-Attempt-Date", rfc5322_date(report.last_attempt));
  }
  if (report.action == DsnAction::delayed && request_.retry_until != WallTime{}) {
    out += field("Will-Retry-Until", rfc5322_date(request_.retry_until));
  }
  return out;
}

std::string DsnWriter::status_head() const {
  const Envelope& original = request_.original;
  std::string out = field("Reporting-MTA", fmt::format("dns; {}", request_.hostname));
  if (!original.envelope_id.empty()) out += field("Original-Envelope-Id", original.envelope_id);
  out += field("X-Brevdue-Queue-ID", original.id.text());
  out += field("X-Brevdue-Sender",
               fmt::format("{}; {}", is_ascii(original.reverse_path) ? "rfc822" : "utf-8",
                           original.reverse_path));
  out += field("Arrival-Date", rfc5322_date(original.arrival));
  return out;
}

// The third part and its type: the message where RET, size and form allow it, else its header.
std::string DsnWriter::returned(DsnAction worst, std::string_view& type) const {
  const Envelope& original = request_.original;
  const bool whole =
      worst == DsnAction::failed && original.dsn_return != DsnReturn::headers &&
      !request_.content.empty() && request_.content.size() == original.content.size &&
      request_.content.size() <= std::min(request_.returned_bytes_max, returned_bytes_bound) &&
      original.content.longest_line <= 998 && request_.content.ends_with("\r\n");
  if (whole) {
    type = utf8_ ? "message/global" : "message/rfc822";
    return std::string(request_.content);
  }
  type = utf8_ ? "message/global-headers" : "text/rfc822-headers";
  const std::size_t length =
      std::min<std::size_t>(original.content.header_length, request_.content.size());
  return header_lines(request_.content.substr(0, length), returned_header_max, utf8_);
}

std::string DsnWriter::header(DsnAction worst, QueueId id, std::string_view boundary,
                              bool eight_bit) const {
  static constexpr std::array<std::string_view, 3> subjects = {
      "Undelivered Mail Returned to Sender", "Delayed Mail (still being retried)",
      "Successful Mail Delivery Report"};
  std::string out = field("Date", rfc5322_date(request_.now));
  out += field("From", fmt::format("Mail Delivery System <MAILER-DAEMON@{}>", request_.hostname));
  out += field("To", fmt::format("<{}>", request_.original.reverse_path));
  out += field("Subject", subjects[static_cast<std::size_t>(worst)]);
  out += field("Message-ID", fmt::format("<{}@{}>", id.text(), request_.hostname));
  out += field("Auto-Submitted", "auto-replied");
  out += field("MIME-Version", "1.0");
  out += field("Content-Type",
               fmt::format("multipart/report; report-type={}; boundary=\"{}\"",
                           utf8_ ? "global-delivery-status" : "delivery-status", boundary));
  out += field("Content-Transfer-Encoding", eight_bit ? "8bit" : "7bit");
  return out;
}

std::string part(std::string_view boundary, std::string_view type, std::string_view description,
                 std::string_view body) {
  return fmt::format(
      "--{}\r\nContent-Type: {}\r\nContent-Description: {}\r\nContent-Transfer-Encoding: "
      "{}\r\n\r\n{}\r\n",
      boundary, type, description, is_ascii(body) ? "7bit" : "8bit", body);
}

Dsn DsnWriter::assemble(const std::vector<DsnRecipient>& reports, std::string_view human,
                        std::string_view status, QueueId id) const {
  const DsnAction worst = std::ranges::min(reports, {}, &DsnRecipient::action).action;
  std::string_view returned_type;
  const std::string original = returned(worst, returned_type);
  const std::string notice = fmt::format(
      "This is the mail system at host {}.\r\n\r\n{}\r\n{:>35}\r\n\r\n{}",
      printable(request_.hostname, utf8_), introduction(worst), "The mail system", human);
  const std::string fields = status_head() + std::string(status);

  // RFC 2046 5.1.1: the boundary must not occur in what it separates.
  std::string boundary;
  for (unsigned attempt = 0;; ++attempt) {
    boundary = fmt::format("{}.{}/{:08x}", id.text(), attempt, crc32c(original));
    const auto clashes = [&](std::string_view text) { return text.contains(boundary); };
    if (!clashes(notice) && !clashes(fields) && !clashes(original)) break;
  }

  Dsn dsn;
  const bool eight_bit = !is_ascii(notice) || !is_ascii(fields) || !is_ascii(original);
  dsn.content = header(worst, id, boundary, eight_bit) + "\r\n";
  dsn.content += "This is a MIME-encapsulated message.\r\n\r\n";
  dsn.content +=
      part(boundary, utf8_ ? "text/plain; charset=utf-8" : "text/plain; charset=us-ascii",
           "Notification", notice);
  dsn.content +=
      part(boundary, utf8_ ? "message/global-delivery-status" : "message/delivery-status",
           "Delivery report", fields);
  dsn.content += part(boundary, returned_type,
                      returned_type.ends_with("headers") ? "Message headers" : "Message", original);
  dsn.content += fmt::format("--{}--\r\n", boundary);

  dsn.envelope.id = id;
  dsn.envelope.arrival = request_.now;
  dsn.envelope.smtputf8 = utf8_;
  dsn.envelope.content = facts_of(dsn.content);
  dsn.envelope.body = dsn.envelope.content.eight_bit ? BodyType::eight_bit : BodyType::seven_bit;
  dsn.envelope.recipients.push_back({request_.original.reverse_path, "", DsnNotify::unset});
  return dsn;
}

}  // namespace

std::vector<Dsn> make_dsns(const DsnRequest& request, const std::vector<DsnRecipient>& recipients,
                           QueueIdSource& ids) {
  std::vector<DsnRecipient> owed;
  std::ranges::copy_if(recipients, std::back_inserter(owed), [&](const DsnRecipient& report) {
    BREVDUE_ASSERT(report.recipient < request.original.recipients.size());
    return dsn_owed(request.original, request.original.recipients[report.recipient], report.action);
  });
  DsnWriter writer(request);
  writer.choose_form(owed);
  std::vector<Dsn> dsns;
  std::vector<DsnRecipient> together;
  std::string human;
  std::string status;
  const auto flush = [&] {
    if (together.empty()) return;
    dsns.push_back(writer.assemble(together, human, status, ids.next(request.now)));
    together.clear();
    human.clear();
    status.clear();
  };
  for (const DsnRecipient& report : owed) {
    human += writer.human_report(report);
    status += writer.status_report(report);
    together.push_back(report);
    if (human.size() + status.size() > reports_bytes_max) flush();
  }
  flush();
  return dsns;
}

}  // namespace brevdue::mail
