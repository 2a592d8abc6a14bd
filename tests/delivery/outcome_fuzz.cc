#include <cstdlib>

#include "delivery/outcome.h"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* bytes, std::size_t size) {
  const auto outcome =
      brevdue::delivery::decode_outcome({reinterpret_cast<const char*>(bytes), size});
  if (!outcome) return 0;
  // What was decoded says the same when it is sent on.
  const auto again = brevdue::delivery::decode_outcome(encode(*outcome));
  if (!again || again->recipients.size() != outcome->recipients.size()) std::abort();
  for (const auto& one : outcome->recipients) {
    if (one.status == brevdue::mail::RecipientStatus::pending) std::abort();
    if (one.reply.size() > brevdue::mail::reply_bytes_max) std::abort();
  }
  return 0;
}
