// Names for disks and sets of disks that nobody else has: UUIDs of version 4 (RFC 9562).
#pragma once

#include <string>
#include <string_view>

namespace brevdue {

// Throws if the system has no source of randomness.
std::string random_uuid();
// As random_uuid() writes one: 36 characters, lower case.
bool is_uuid(std::string_view text);

}  // namespace brevdue
