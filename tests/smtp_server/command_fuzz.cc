// Command lines: the parsers of verbs, paths and parameters, one after the other as a session does.
#include <cstdint>
#include <string_view>

#include "core/error.h"
#include "smtp/address.h"
#include "smtp/command_parser.h"
#include "smtp/parameters.h"

using namespace brevdue;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const std::string_view line(reinterpret_cast<const char*>(bytes), size);
  const smtp::Command command = smtp::parse_command(line);
  for (const std::string_view keyword : {"FROM:", "TO:"}) {
    const auto text = smtp::after_keyword(command.argument, keyword);
    if (!text) continue;
    const auto path = smtp::parse_path(*text);
    if (!path) continue;
    BREVDUE_ASSERT(path->bytes <= text->size());
    const auto rest = text->substr(path->bytes);
    const auto mail = smtp::parse_mail_parameters(rest);
    if (!mail) BREVDUE_ASSERT(mail.error().size() > 9 && mail.error().front() == '5');
    const auto rcpt = smtp::parse_rcpt_parameters(rest);
    if (!rcpt) BREVDUE_ASSERT(rcpt.error().size() > 9 && rcpt.error().front() == '5');
  }
  return 0;
}
