// The client session against a server that says anything: it always comes to an end, each recipient
// has a result, and nobody is relayed unless content was written.
#include <cstdlib>

#include "smtp/client_session.h"

using brevdue::smtp::ClientSession;
using brevdue::smtp::ClientVerdict;
using Need = ClientSession::Need;

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* bytes, std::size_t size) {
  std::string_view input(reinterpret_cast<const char*>(bytes), size);
  brevdue::mail::Envelope envelope;
  envelope.reverse_path = "a@b.test";
  envelope.recipients = {{"c@d.test", "", 0}, {"e@f.test", "", 0}, {"g@h.test", "", 0}};
  const std::vector<std::uint32_t> indices{0, 1, 2};
  ClientSession session({"client.test", "mx.test[192.0.2.1]", true});
  int transactions = 0;
  bool content_written = false;
  for (std::size_t steps = 0;; ++steps) {
    if (steps > size * 4 + 100) std::abort();
    const Need need = session.next().need;
    if (need == Need::closed || (need == Need::idle && transactions == 2)) break;
    if (need == Need::idle) {
      ++transactions;
      content_written = false;
      session.begin({&envelope, indices});
    } else if (need == Need::write) {
      session.written();
    } else if (need == Need::content) {
      content_written = true;
      session.content_written();
    } else if (input.empty()) {
      session.lost();
    } else {
      // The first byte says how much comes at once.
      const std::size_t part = 1 + static_cast<unsigned char>(input.front());
      session.received(input.substr(1, part));
      input.remove_prefix(std::min(input.size(), part + 1));
    }
  }
  for (const auto& result : session.results()) {
    if (result.verdict == ClientVerdict::relayed && !content_written) std::abort();
    if (result.enhanced.empty() || result.text.empty() || result.text.size() > 512) std::abort();
  }
  return 0;
}
