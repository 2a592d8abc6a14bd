// Runs a dialog over a transport and says where the server did not do as written.
#pragma once

#include <string>
#include <vector>

#include "tests/dialogs/dialog.h"
#include "tests/dialogs/transport.h"

namespace brevdue::dialogs {

// One line a disagreement, "name:line: …"; none if all went as written. Stops at the first.
std::vector<std::string> run(const Dialog& dialog, Transport& transport);

// A property of an accepted message as text, as `message N PROPERTY …` names it; nothing if there
// is no such property.
std::optional<std::string> property(const AcceptedMessage& message, std::string_view name);

}  // namespace brevdue::dialogs
