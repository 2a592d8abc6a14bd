#include "cli/complaint.h"

#include <cstdio>

#include <fmt/format.h>
#include <sysexits.h>

namespace brevdue::cli {

namespace {
int exit_code_for(ErrorCode code) {
  switch (code) {
    case ErrorCode::not_found:
      return nothing_matched;
    case ErrorCode::permission:
      return EX_NOPERM;
    case ErrorCode::invalid_argument:
      return EX_USAGE;
    case ErrorCode::unsupported:
      return EX_CONFIG;
    case ErrorCode::corrupt:
      return EX_DATAERR;
    case ErrorCode::unavailable:
    case ErrorCode::busy:
      return EX_TEMPFAIL;
    default:
      return EX_IOERR;
  }
}
}  // namespace

int complain(const Error& error) {
  // What we found out ourselves is said in the context; the code only decides how we end.
  const bool ours = error.os_error == 0 && !error.context.empty();
  fmt::print(stderr, "brevdue: {}\n", ours ? error.context : describe(error));
  return exit_code_for(error.code);
}

}  // namespace brevdue::cli
