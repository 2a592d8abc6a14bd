// The first byte chooses the type asked for; the rest is the answer to "example.com".
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "dns/answer.h"

using namespace brevdue;
using namespace brevdue::dns;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  static constexpr RecordType types[] = {RecordType::a, RecordType::mx, RecordType::aaaa};
  if (size == 0) return 0;
  const std::string_view raw(reinterpret_cast<const char*>(bytes) + 1, size - 1);
  const auto answer = parse_answer(raw, "example.com", types[bytes[0] % 3]);
  if (!answer) return 0;
  for (const MxRecord& exchange : answer->exchanges) {
    BREVDUE_ASSERT(exchange.host.empty() || is_host_name(exchange.host));
  }
  BREVDUE_ASSERT(answer->alias.empty() || is_host_name(answer->alias));
  BREVDUE_ASSERT(answer->exchanges.size() + answer->addresses.size() <= records_max);
  return 0;
}
