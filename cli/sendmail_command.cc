// `brevdue sendmail`: the command line that scripts expect. It speaks SMTP to the first listener of
// the config; without one it exits with 75, and the caller keeps the message.
#include <algorithm>
#include <cstdio>
#include <iostream>
#include <iterator>
#include <string>

#include <fmt/format.h>
#include <pwd.h>
#include <sysexits.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/message_text.h"
#include "cli/piped_session.h"
#include "cli/read_config.h"
#include "cli/submission_client.h"

namespace brevdue::cli {

namespace {
struct Arguments {
  std::string config_path{config::default_path};
  std::vector<std::string> recipients;
  std::string reverse_path;
  std::string full_name;
  std::uint8_t notify = mail::DsnNotify::unset;
  mail::DsnReturn dsn_return = mail::DsnReturn::unset;
  std::string envelope_id;
  bool has_reverse_path = false;
  bool from_header = false;     // -t
  bool dot_is_content = false;  // -i, -oi
  char mode = 'm';              // -bm, -bs, -bp
  bool eight_bit = false;
  std::string problem;
};

// Options whose value stands in the next argument when it does not follow at once.
constexpr std::string_view with_value = "fFrCNRVBLhXOopdqmc";

constexpr std::string_view help_text =
    R"(The sendmail command line that programs expect: sends mail by SMTP to the first listener.
Usage: brevdue sendmail [OPTION...] [RECIPIENT...] <MESSAGE

  -t                      recipients are those in To, Cc and Bcc, beside those given
  -i, -oi                 a line with a single dot does not end the message
  -f ADDRESS, -r ADDRESS  the reverse-path (<> for the null reverse-path)
  -F NAME                 the full name in a From field that is added
  -N LIST                 NOTIFY: never, or of success, failure, delay
  -R full|hdrs, -V ID     RET and ENVID of DSN
  -B 8BITMIME             the content is 8-bit
  -bs                     SMTP on standard input and output
  -bp                     what is queued (brevdue queue list)
  -q                      attempt what is deferred (brevdue queue flush)
  -C FILE, -c FILE        the config file

Exits 75 when nobody listens or the message is to be sent again later, 69 when it was refused.
)";

std::uint8_t parse_notify(const std::string& text) {
  std::uint8_t notify = 0;
  if (text.find("never") != std::string::npos) return mail::DsnNotify::never;
  if (text.find("success") != std::string::npos) notify |= mail::DsnNotify::success;
  if (text.find("failure") != std::string::npos) notify |= mail::DsnNotify::failure;
  if (text.find("delay") != std::string::npos) notify |= mail::DsnNotify::delay;
  return notify;
}

void take_value(Arguments& parsed, char option, const std::string& value) {
  switch (option) {
    case 'f':
    case 'r':
      parsed.reverse_path = value == "<>" ? "" : value;
      parsed.has_reverse_path = true;
      return;
    case 'F':
      parsed.full_name = value;
      return;
    case 'C':
    case 'c':  // as the other commands of brevdue have it
      parsed.config_path = value;
      return;
    case 'N':
      parsed.notify = parse_notify(value);
      if (parsed.notify == mail::DsnNotify::unset)
        parsed.problem = "-N wants never, or some of success, failure, delay";
      return;
    case 'R':
      if (value != "full" && value != "hdrs") parsed.problem = "-R wants full or hdrs";
      parsed.dsn_return = value == "full" ? mail::DsnReturn::full : mail::DsnReturn::headers;
      return;
    case 'V':
      parsed.envelope_id = value;
      return;
    case 'B':
      parsed.eight_bit = value == "8BITMIME";
      return;
    case 'o':
      if (value == "i") parsed.dot_is_content = true;
      return;
    default:
      return;  // Accepted for the sake of old scripts; it means nothing here.
  }
}

Arguments parse(const std::vector<std::string>& arguments) {
  Arguments parsed;
  bool options_ended = false;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string& argument = arguments[i];
    if (options_ended || argument.size() < 2 || argument[0] != '-') {
      parsed.recipients.push_back(argument);
    } else if (argument == "--") {
      options_ended = true;
    } else if (argument[1] == 't' || argument[1] == 'i') {
      parsed.from_header = parsed.from_header || argument.find('t') != std::string::npos;
      parsed.dot_is_content = parsed.dot_is_content || argument.find('i') != std::string::npos;
    } else if (argument[1] == 'b' && argument.size() == 3) {
      parsed.mode = argument[2];
    } else if (argument[1] == 'q') {
      parsed.mode = 'q';
    } else if (with_value.find(argument[1]) != std::string_view::npos) {
      const bool inside = argument.size() > 2;
      const bool takes_next = argument[1] != 'o' && argument[1] != 'm' && argument[1] != 'd';
      if (inside)
        take_value(parsed, argument[1], argument.substr(2));
      else if (takes_next && i + 1 < arguments.size())
        take_value(parsed, argument[1], arguments[++i]);
      else if (takes_next)
        parsed.problem = argument + " needs a value";
    } else if (std::string_view("AGUnvs").find(argument[1]) == std::string_view::npos) {
      parsed.problem = "unknown option " + argument;
    }
  }
  return parsed;
}

std::string read_message(bool dot_is_content) {
  if (dot_is_content) {
    return {std::istreambuf_iterator<char>(std::cin), std::istreambuf_iterator<char>()};
  }
  std::string message;
  for (std::string line; std::getline(std::cin, line) && line != "." && line != ".\r";)
    message += line + "\n";
  return message;
}

std::string local_user() {
  const passwd* user = ::getpwuid(::getuid());
  return user != nullptr ? user->pw_name : "nobody";
}

std::string qualified(const std::string& address, const std::string& hostname) {
  std::string bare = address;
  if (bare.starts_with('<') && bare.ends_with('>')) bare = bare.substr(1, bare.size() - 2);
  return bare.empty() || bare.find('@') != std::string::npos ? bare : bare + "@" + hostname;
}

int report(const std::vector<smtp::ClientResult>& results, const mail::Envelope& envelope) {
  int code = 0;
  for (std::size_t i = 0; i < results.size(); ++i) {
    if (results[i].verdict == smtp::ClientVerdict::relayed) continue;
    const bool permanent = results[i].verdict == smtp::ClientVerdict::failed;
    fmt::print(stderr, "sendmail: {}: {}\n", envelope.recipients[i].address, results[i].text);
    if (!permanent)
      code = EX_TEMPFAIL;
    else if (code == 0)
      code = EX_UNAVAILABLE;
  }
  return code;
}

int send(const Arguments& arguments, const config::Config& config, UniqueFd socket) {
  const std::string user = local_user();
  mail::Envelope envelope;
  envelope.reverse_path = arguments.has_reverse_path
                              ? qualified(arguments.reverse_path, config.hostname)
                              : user + "@" + config.hostname;
  envelope.dsn_return = arguments.dsn_return;
  envelope.envelope_id = arguments.envelope_id;
  std::string message = with_crlf(without_mbox_line(read_message(arguments.dot_is_content)));
  std::vector<std::string> recipients;
  for (const std::string& argument : arguments.recipients) {
    std::ranges::move(addresses_of(argument), std::back_inserter(recipients));
  }
  if (arguments.from_header) {
    std::ranges::move(addresses_in(message, {"to", "cc", "bcc"}), std::back_inserter(recipients));
    message = without_bcc(message);
  }
  if (recipients.empty()) {
    fmt::print(stderr, "sendmail: no recipients\n");
    return EX_USAGE;
  }
  for (const std::string& recipient : recipients) {
    envelope.recipients.push_back({qualified(recipient, config.hostname), {}, arguments.notify});
  }
  const Originator from{
      envelope.reverse_path.empty() ? user + "@" + config.hostname : envelope.reverse_path,
      arguments.full_name};
  message = with_required_fields(std::move(message), from, config.hostname, SystemClock().wall());
  envelope.content.size = message.size();
  envelope.content.eight_bit = std::ranges::any_of(message, [](char c) { return (c & 0x80) != 0; });
  if (envelope.content.eight_bit || arguments.eight_bit) envelope.body = mail::BodyType::eight_bit;
  auto results = submit_message(std::move(socket), config.hostname, envelope, message);
  if (!results) {
    fmt::print(stderr, "sendmail: {}\n", describe(results.error()));
    return results.error().code == ErrorCode::invalid_argument ? EX_DATAERR : EX_TEMPFAIL;
  }
  return report(*results, envelope);
}
}  // namespace

int sendmail(const std::vector<std::string>& texts) {
  if (texts == std::vector<std::string>{"--help"}) {
    fmt::print("{}", help_text);
    return 0;
  }
  const Arguments arguments = parse(texts);
  if (!arguments.problem.empty()) {
    fmt::print(stderr, "sendmail: {}\n", arguments.problem);
    return EX_USAGE;
  }
  if (arguments.mode == 'p') return queue_list(arguments.config_path, false);
  if (arguments.mode == 'q') {
    return queue_change(arguments.config_path, ipc::ControlVerb::flush, "scheduled", {});
  }
  if (arguments.mode != 'm' && arguments.mode != 's') {
    fmt::print(stderr, "sendmail: mode -b{} is not supported; use `brevdue serve` for the daemon\n",
               arguments.mode);
    return EX_USAGE;
  }
  const auto config = read_config(arguments.config_path);
  if (!config) return EX_CONFIG;
  auto socket = connect_to_listener(config->listen.front().address);
  if (!socket) {
    fmt::print(stderr, "sendmail: {}\n", describe(socket.error()));
    return EX_TEMPFAIL;
  }
  if (arguments.mode == 's') return run_piped_session(std::move(*socket));
  return send(arguments, *config, std::move(*socket));
}

}  // namespace brevdue::cli
