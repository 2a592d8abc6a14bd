#include "delivery/job.h"

#include "core/bytes.h"

namespace brevdue::delivery {

std::string encode_job_head(std::uint64_t attempt, std::string_view next_hop, WallTime scheduled,
                            const std::vector<std::uint32_t>& recipients,
                            std::string_view envelope) {
  std::string out;
  out.reserve(64 + next_hop.size() + recipients.size() * 2 + envelope.size());
  put(out, attempt);
  put_short_string(out, next_hop);
  put(out, static_cast<std::uint64_t>(scheduled.time_since_epoch().count()));
  put_varint(out, recipients.size());
  std::uint32_t before = 0;
  for (const std::uint32_t recipient : recipients) {
    put_varint(out, recipient - before);
    before = recipient;
  }
  put_string(out, envelope);
  return out;
}

static Result<std::vector<std::uint32_t>> read_recipients(ByteReader& in) {
  const std::uint64_t count = in.get_varint();
  if (!in.ok() || count == 0 || count > mail::recipients_max || count > in.rest().size()) {
    return fail(ErrorCode::protocol, "malformed job: recipients");
  }
  std::vector<std::uint32_t> recipients;
  recipients.reserve(count);
  std::uint64_t at = 0;
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::uint64_t step = in.get_varint();
    if (step > mail::recipients_max || (i > 0 && step == 0)) {
      return fail(ErrorCode::protocol, "malformed job: recipients");
    }
    at += step;
    recipients.push_back(static_cast<std::uint32_t>(at));
  }
  return recipients;
}

Result<Job> decode_job(std::string_view payload, UniqueFd file) {
  ByteReader in(payload);
  Job job;
  job.attempt = in.get<std::uint64_t>();
  job.next_hop = in.get_short_string();
  job.scheduled =
      WallTime(std::chrono::microseconds(static_cast<std::int64_t>(in.get<std::uint64_t>())));
  auto recipients = read_recipients(in);
  if (!recipients) return propagate(std::move(recipients.error()));
  job.recipients = std::move(*recipients);
  auto envelope = mail::decode_envelope(in.get_string());
  if (!in.ok() || !envelope) return fail(ErrorCode::protocol, "malformed job: envelope");
  job.envelope = std::move(*envelope);
  if (job.recipients.back() >= job.envelope.recipients.size() || job.next_hop.empty()) {
    return fail(ErrorCode::protocol, "malformed job");
  }
  job.file = std::move(file);
  if (job.envelope.content.staged != static_cast<bool>(job.file)) {
    return fail(ErrorCode::protocol, "malformed job: content neither here nor beside");
  }
  if (!job.file) {
    if (in.rest().size() != job.envelope.content.size) {
      return fail(ErrorCode::protocol, "malformed job: content of another size");
    }
    job.content = SharedBytes(in.rest());
  }
  return job;
}

}  // namespace brevdue::delivery
