// SMTP on standard input and output (`sendmail -bs`), passed on to a listener a line at a time.
//
// Each command waits for the reply to the one before, so that a script may write its whole session
// at once: a server takes commands before its greeting, or behind EHLO, for those of an early
// talker. Blocking.
#pragma once

#include "core/unique_fd.h"

namespace brevdue::cli {

// 0 after QUIT or the end of the input, 75 when the server ended the session before.
int run_piped_session(UniqueFd server);

}  // namespace brevdue::cli
