// A Job: what qmgr asks of a delivery process, once: relay this message to these recipients by this
// next hop. Encoded on the channel with the content behind it, or a descriptor beside it.
//
// decode_job trusts nothing; the views in a JobFrame point into the payload.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.h"
#include "core/shared_bytes.h"
#include "core/unique_fd.h"
#include "mail/envelope.h"

namespace brevdue::delivery {

enum class DeliveryFrame : std::uint8_t {
  job = 1,       // qmgr → delivery
  outcome = 16,  // delivery → qmgr
  // delivery → qmgr: begin no more; qmgr closes the channel when the last outcome is in.
  draining = 17,
};

struct Job {
  std::uint64_t attempt = 0;  // names it in the outcome
  std::string next_hop;       // "relay:HOST:PORT", or a domain
  mail::Envelope envelope;
  std::vector<std::uint32_t> recipients;  // indices into envelope.recipients, ascending, not empty
  // When qmgr handed the job over: with the arrival, the "a" of delays=a/b/c/d in the log.
  WallTime scheduled{};
  SharedBytes content;  // all of it, unless staged
  UniqueFd file;        // staged content, from offset 0
};

// Everything but content and file.
std::string encode_job_head(std::uint64_t attempt, std::string_view next_hop, WallTime scheduled,
                            const std::vector<std::uint32_t>& recipients,
                            std::string_view envelope);
// `file` is what came beside the frame.
Result<Job> decode_job(std::string_view payload, UniqueFd file);

}  // namespace brevdue::delivery
