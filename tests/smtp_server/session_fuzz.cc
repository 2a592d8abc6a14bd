// A whole session: what it says and accepts must not depend on where the input was cut, and nothing
// may be left behind. A byte 0x1e ends a group: the replies are taken there.
#include <cstdint>
#include <string>
#include <string_view>

#include "core/error.h"
#include "tests/dialogs/session_transport.h"

using namespace brevdue;

static std::string talk(std::string_view input, dialogs::SessionModes modes) {
  dialogs::SessionTransport transport(modes);
  std::string said = transport.read_line().value_or("");
  while (!input.empty()) {
    const std::string_view group = input.substr(0, input.find('\x1e'));
    input.remove_prefix(std::min(input.size(), group.size() + 1));
    transport.send(group);
    while (const auto line = transport.read_line()) said += *line + "\n";
  }
  transport.lose();
  auto& reception = transport.reception();
  BREVDUE_ASSERT(reception.faults().empty());
  BREVDUE_ASSERT(reception.staging() == 0);
  BREVDUE_ASSERT(reception.room().used() == 0 && reception.room().waiting() == 0);
  for (const auto& message : reception.messages()) said += message.content + "\n";
  return said;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(bytes), size);
  const std::string whole = talk(input, {});
  BREVDUE_ASSERT(whole == talk(input, {.bytewise = true}));
  BREVDUE_ASSERT(whole == talk(input, {.bytewise = true, .deferred = true}));
  return 0;
}
