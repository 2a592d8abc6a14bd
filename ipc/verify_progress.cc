#include "ipc/verify_progress.h"

#include "core/bytes.h"

namespace brevdue::ipc {

std::string encode(const VerifyProgress& progress) {
  std::string out;
  for (const std::uint64_t count : {progress.messages, progress.total, progress.gone,
                                    progress.bytes, progress.damaged, progress.notes}) {
    put_varint(out, count);
  }
  return out;
}

Result<VerifyProgress> decode_verify_progress(std::string_view payload) {
  ByteReader in(payload);
  VerifyProgress progress;
  for (std::uint64_t* count : {&progress.messages, &progress.total, &progress.gone, &progress.bytes,
                               &progress.damaged, &progress.notes}) {
    *count = in.get_varint();
  }
  if (!in.at_end()) return fail(ErrorCode::protocol, "malformed progress");
  return progress;
}

}  // namespace brevdue::ipc
