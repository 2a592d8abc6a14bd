#include "smtp/command_parser.h"

#include <algorithm>
#include <array>
#include <utility>

namespace brevdue::smtp {

static constexpr auto verbs = std::to_array<std::pair<std::string_view, Verb>>({
    {"MAIL", Verb::mail},          {"RCPT", Verb::rcpt},          {"DATA", Verb::data},
    {"EHLO", Verb::ehlo},          {"HELO", Verb::helo},          {"RSET", Verb::rset},
    {"QUIT", Verb::quit},          {"NOOP", Verb::noop},          {"VRFY", Verb::vrfy},
    {"HELP", Verb::help},          {"EXPN", Verb::expn},          {"STARTTLS", Verb::unimplemented},
    {"AUTH", Verb::unimplemented}, {"BDAT", Verb::unimplemented}, {"ETRN", Verb::unimplemented},
    {"TURN", Verb::unimplemented}, {"SEND", Verb::unimplemented}, {"SOML", Verb::unimplemented},
    {"SAML", Verb::unimplemented}, {"GET", Verb::foreign},        {"POST", Verb::foreign},
    {"PUT", Verb::foreign},        {"HEAD", Verb::foreign},       {"CONNECT", Verb::foreign},
    {"OPTIONS", Verb::foreign},    {"DELETE", Verb::foreign},     {"PATCH", Verb::foreign},
    {"TRACE", Verb::foreign},      {"PRI", Verb::foreign},
});

static char upper(char c) {
  return c >= 'a' && c <= 'z' ? static_cast<char>(c & ~0x20) : c;
}

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, {}, upper, upper);
}

static std::string_view trim(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

Command parse_command(std::string_view line) {
  Command command;
  const auto space = line.find(' ');
  command.word = line.substr(0, space);
  if (space != std::string_view::npos) command.argument = trim(line.substr(space));
  for (const auto& [word, verb] : verbs) {
    if (equal_ignoring_case(command.word, word)) {
      command.verb = verb;
      break;
    }
  }
  return command;
}

std::string_view name_of(Verb verb) {
  switch (verb) {
    case Verb::helo:
      return "HELO";
    case Verb::ehlo:
      return "EHLO";
    case Verb::mail:
      return "MAIL";
    case Verb::rcpt:
      return "RCPT";
    case Verb::data:
      return "DATA";
    case Verb::rset:
      return "RSET";
    case Verb::noop:
      return "NOOP";
    case Verb::vrfy:
      return "VRFY";
    case Verb::help:
      return "HELP";
    case Verb::expn:
      return "EXPN";
    case Verb::quit:
      return "QUIT";
    case Verb::unimplemented:
    case Verb::unknown:
    case Verb::foreign:
      break;
  }
  return "UNKNOWN";
}

std::optional<std::string_view> after_keyword(std::string_view argument, std::string_view keyword) {
  if (!equal_ignoring_case(argument.substr(0, keyword.size()), keyword)) return std::nullopt;
  return trim(argument.substr(keyword.size()));
}

}  // namespace brevdue::smtp
