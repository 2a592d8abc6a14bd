// The control protocol: what `brevdue queue …` asks of qmgr over the control socket, and the
// answers.
//
// One request a connection. The answer is any number of `entry`, `line`, `content`,
// `progress` and `side` frames, then one `done`, after which qmgr closes. The frames are those of
// ipc::Channel.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.h"
#include "mail/queue_id.h"

namespace brevdue::ipc {

enum class ControlFrame : std::uint8_t {
  request = 1,
  entry = 16,    // a QueueEntry
  line = 17,     // a line of text for the operator, without its end
  content = 18,  // bytes of a message's content, in order
  done = 19,
  progress = 20,  // VerifyProgress (ipc/verify_progress.h)
  side = 21,      // MirrorSideStatus (ipc/mirror_side_status.h)
};

enum class ControlVerb : std::uint8_t {
  list,
  show,  // entry, then content
  hold,
  release,
  retry,          // attempt now
  bounce,         // fail every open recipient and send the DSN
  discard,        // forget the message without a DSN ("delete")
  flush,          // attempt everything, or everything for one destination, now
  statistics,     // lines "NAME NUMBER": what the queue has done since it was opened
  verify,         // lines, one a finding; progress, the last one just before done
  mirror_status,  // two sides
  mirror_resync,  // the side that takes no part is written anew
  mirror_detach,  // `path` is left
  mirror_attach,  // `path` is written anew, also a new disk
};

struct ControlRequest {
  ControlVerb verb = ControlVerb::list;
  // Which messages: by id, or all, narrowed by the other two. Empty and not `all`: none.
  std::vector<mail::QueueId> ids;
  bool all = false;
  std::string destination;   // a recipient domain; empty: any
  std::string reverse_path;  // "<>" for the null reverse-path; empty: any
  std::uint64_t rate = 0;    // of verify: bytes a second at most; 0: as fast as it can
  std::string path;          // of mirror_detach and mirror_attach: a side's spool directory
};

struct ControlDone {
  std::uint64_t matched = 0;  // messages that the request applied to
  bool failed = false;
  std::string text;  // what went wrong, for the operator
};

std::string encode(const ControlRequest& request);
std::string encode(const ControlDone& done);
Result<ControlRequest> decode_control_request(std::string_view payload);
Result<ControlDone> decode_control_done(std::string_view payload);

}  // namespace brevdue::ipc
