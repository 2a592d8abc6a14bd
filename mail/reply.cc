#include "mail/reply.h"

#include <fmt/format.h>

namespace brevdue::mail {

std::string Reply::line() const {
  if (enhanced.empty()) return fmt::format("{:03} {}", code, text);
  return fmt::format("{:03} {} {}", code, enhanced, text);
}

Reply reply_for(ErrorCode code) {
  switch (code) {
    case ErrorCode::storage_full:
      return {452, "4.3.1", "Insufficient system storage"};
    case ErrorCode::overloaded:
      return {452, "4.3.1", "System is busy, try again later"};
    case ErrorCode::too_large:
      return {552, "5.3.4", "Message size exceeds the limit"};
    case ErrorCode::unavailable:
      return {451, "4.3.0", "Queue is not available, try again later"};
    case ErrorCode::timed_out:
      return {421, "4.4.2", "Timeout exceeded"};
    case ErrorCode::protocol:
      return {503, "5.5.1", "Bad sequence of commands"};
    case ErrorCode::invalid_argument:
      return {501, "5.5.4", "Syntax error in parameters"};
    case ErrorCode::unsupported:
      return {504, "5.5.4", "Parameter not implemented"};
    case ErrorCode::permission:
      return {554, "5.7.1", "Not permitted"};
    case ErrorCode::not_found:
    case ErrorCode::already_exists:
    case ErrorCode::io_failure:
    case ErrorCode::corrupt:
    case ErrorCode::busy:
    case ErrorCode::cancelled:
      break;
  }
  return {451, "4.3.0", "Local error in processing"};
}

}  // namespace brevdue::mail
