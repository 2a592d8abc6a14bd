// Checks of single texts in the settings table: each returns invalid_argument with a context that
// quotes the text and says what to write instead.
#pragma once

#include <string_view>

#include "core/error.h"

namespace brevdue::config {

Result<void> check_hostname_or_empty(std::string_view text);
Result<void> check_path(std::string_view text);         // absolute
Result<void> check_socket_path(std::string_view text);  // absolute and short enough for sun_path
Result<void> check_user(std::string_view text);
Result<void> check_relay_host(std::string_view text);  // empty, or host with or without port
Result<void> check_dns_server(std::string_view text);  // numeric, with or without port
Result<void> check_log_target(std::string_view text);
Result<void> check_log_ident(std::string_view text);
Result<void> check_listen_address(std::string_view text);  // numeric, with port

}  // namespace brevdue::config
