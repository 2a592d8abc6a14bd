// An SMTP reply: the three-digit code, the enhanced status code (RFC 3463) and a text of one line.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/error.h"

namespace brevdue::mail {

struct Reply {
  int code = 0;
  std::string enhanced;  // "4.3.1"; empty where none applies (220, 354, EHLO)
  std::string text;      // Without code, enhanced code and line end.

  bool positive() const { return code >= 200 && code < 400; }
  bool transient() const { return code >= 400 && code < 500; }
  bool permanent() const { return code >= 500 && code < 600; }

  // "452 4.3.1 Insufficient storage", as logs and DSNs print it.
  std::string line() const;
  bool operator==(const Reply&) const = default;
};

// The one table that turns an error into what an SMTP client is told. The context of the error is
// for the log and never part of the reply.
Reply reply_for(ErrorCode code);

}  // namespace brevdue::mail
