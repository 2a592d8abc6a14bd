// How a command that fails says why, and with which exit code it ends.
#pragma once

#include "core/error.h"

namespace brevdue::cli {

inline constexpr int nothing_matched = 1;

// Prints the error; the code of sysexits.h that goes with it.
int complain(const Error& error);

}  // namespace brevdue::cli
