#include <cstdlib>

#include "delivery/job.h"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* bytes, std::size_t size) {
  const auto job = brevdue::delivery::decode_job({reinterpret_cast<const char*>(bytes), size}, {});
  if (!job) return 0;
  if (job->recipients.empty() || job->next_hop.empty()) std::abort();
  if (job->content.size() != job->envelope.content.size) std::abort();
  std::uint32_t before = 0;
  for (std::size_t i = 0; i < job->recipients.size(); ++i) {
    if (i > 0 && job->recipients[i] <= before) std::abort();
    before = job->recipients[i];
  }
  if (before >= job->envelope.recipients.size()) std::abort();
  return 0;
}
