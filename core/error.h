// Errors as values: every operation that can fail for a reason outside the program returns
// Result<T>.
//
// An Error carries a code (what the caller should do), the errno if there was one, and a context in
// words for the operator. Context is added by each boundary that knows something new; it never
// holds secrets and is never sent to a client. Exceptions are only for "cannot start".
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <utility>

namespace brevdue {

enum class ErrorCode {
  invalid_argument,  // The caller's input is wrong; the same input fails again.
  not_found,         // No such thing; nothing was changed.
  already_exists,    // The name or id is taken; choose another.
  storage_full,      // No room for more content; take back what frees room, refuse the rest.
  io_failure,        // The device or file system failed; what was being written is in doubt.
  corrupt,           // Bytes read back are not what was written; quarantine them.
  unsupported,       // A format, version or kernel feature this build cannot use.
  busy,              // Somebody else holds it; try later.
  permission,        // The operating system refuses; an operator must act.
  unavailable,       // The service is not there now; try again later.
  overloaded,        // A bound of ours is reached; try again later.
  too_large,         // Over a limit; never retry unchanged.
  timed_out,         // The deadline passed.
  cancelled,         // Given up on purpose.
  protocol,          // The peer broke the protocol; close the connection.
};

struct [[nodiscard]] Error {
  ErrorCode code;
  int os_error = 0;
  std::string context;
};

template <class T>
using Result = std::expected<T, Error>;

std::string_view name_of(ErrorCode code);

// One line for a log or a terminal: "context: name (strerror)".
std::string describe(const Error& error);

inline std::unexpected<Error> fail(ErrorCode code, std::string context) {
  return std::unexpected(Error{code, 0, std::move(context)});
}

// The error for a failed system call; the code is derived from `os_error` (ENOSPC and EDQUOT are
// storage_full, ENOENT is not_found, and so on; what is not in the table is io_failure).
std::unexpected<Error> fail_os(int os_error, std::string context);

// Passes an error on, with what this level knows put in front of its context.
inline std::unexpected<Error> propagate(Error error, std::string_view context) {
  error.context =
      error.context.empty() ? std::string(context) : std::string(context) + ": " + error.context;
  return std::unexpected(std::move(error));
}
inline std::unexpected<Error> propagate(Error error) {
  return std::unexpected(std::move(error));
}

// Stops the process, also in a release build, when something the program itself guarantees does not
// hold: a queue whose invariants are broken must not acknowledge mail. Never for input, disk or
// network.
#define BREVDUE_ASSERT(condition) \
  ((condition) ? static_cast<void>(0) : ::brevdue::assertion_failed(#condition, __FILE__, __LINE__))
[[noreturn]] void assertion_failed(const char* condition, const char* file, int line);

}  // namespace brevdue
