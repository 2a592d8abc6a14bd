// Any text gives a Config or problems, and a Config prints as text that gives the same Config.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "config/load.h"
#include "config/print.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace brevdue;
  const config::Machine machine{"mx.example.org", 4};
  const std::string_view text(reinterpret_cast<const char*>(bytes), size);
  const auto loaded = config::parse(text, "fuzz.toml", machine);
  if (!loaded) {
    BREVDUE_ASSERT(!loaded.error().empty());
    return 0;
  }
  const auto again = config::parse(config::effective(*loaded), "fuzz.toml", machine);
  BREVDUE_ASSERT(again.has_value());
  BREVDUE_ASSERT(*again == *loaded);
  return 0;
}
