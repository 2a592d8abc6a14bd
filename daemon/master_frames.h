// What the master and its roles say to each other. Every role stops when this channel closes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/error.h"
#include "daemon/child_process.h"

namespace brevdue::daemon {

enum class MasterFrame : std::uint8_t {
  // master → qmgr, with a descriptor: one end of a channel to an smtpd or a delivery process.
  // master → smtpd, delivery, with a descriptor: the other end.
  attach = 1,
  // master → any: finish what is under way, begin nothing, exit.
  drain = 2,
  // master → qmgr: the config was reloaded; the text of it.
  configure = 3,
  // role → master: serving.
  ready = 16,
  // smtpd, delivery → master: the channel to qmgr has closed; the answer is another attach.
  detached = 17,
};

struct Attach {
  Role peer = Role::smtpd;  // who is at the other end
  std::uint16_t slot = 0;   // of the smtpd or delivery process
  std::uint32_t pid = 0;    // of the peer, for the log
};

std::string encode(const Attach& attach);
Result<Attach> decode_attach(std::string_view payload);

}  // namespace brevdue::daemon
