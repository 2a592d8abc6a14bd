#include "core/error.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <system_error>

namespace brevdue {

std::string_view name_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::invalid_argument:
      return "invalid argument";
    case ErrorCode::not_found:
      return "not found";
    case ErrorCode::already_exists:
      return "already exists";
    case ErrorCode::storage_full:
      return "no room left";
    case ErrorCode::io_failure:
      return "input/output failure";
    case ErrorCode::corrupt:
      return "damaged";
    case ErrorCode::unsupported:
      return "unsupported";
    case ErrorCode::busy:
      return "in use";
    case ErrorCode::permission:
      return "permission denied";
    case ErrorCode::unavailable:
      return "unavailable";
    case ErrorCode::overloaded:
      return "overloaded";
    case ErrorCode::too_large:
      return "too large";
    case ErrorCode::timed_out:
      return "timed out";
    case ErrorCode::cancelled:
      return "cancelled";
    case ErrorCode::protocol:
      return "protocol error";
  }
  return "unknown error";
}

std::string describe(const Error& error) {
  std::string text = error.context;
  if (!text.empty()) text += ": ";
  if (error.os_error != 0) return text + std::generic_category().message(error.os_error);
  return text + std::string(name_of(error.code));
}

static ErrorCode code_of(int os_error) {
  switch (os_error) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
      return ErrorCode::storage_full;
    case ENOENT:
      return ErrorCode::not_found;
    case EEXIST:
      return ErrorCode::already_exists;
    case EACCES:
    case EPERM:
      return ErrorCode::permission;
    case EAGAIN:
    case EBUSY:
      return ErrorCode::busy;
    case EINVAL:
      return ErrorCode::invalid_argument;
    case ENOSYS:
    case EOPNOTSUPP:
      return ErrorCode::unsupported;
    case EMFILE:
    case ENFILE:
    case ENOMEM:
      return ErrorCode::overloaded;
    case ETIMEDOUT:
      return ErrorCode::timed_out;
    case ECANCELED:
      return ErrorCode::cancelled;
    case ECONNREFUSED:
    case ECONNRESET:
    case EPIPE:
    case ENETUNREACH:
    case EHOSTUNREACH:
      return ErrorCode::unavailable;
    default:
      return ErrorCode::io_failure;
  }
}

std::unexpected<Error> fail_os(int os_error, std::string context) {
  return std::unexpected(Error{code_of(os_error), os_error, std::move(context)});
}

void assertion_failed(const char* condition, const char* file, int line) {
  std::fprintf(stderr, "%s:%d: assertion failed: %s\n", file, line, condition);
  std::abort();
}

}  // namespace brevdue
