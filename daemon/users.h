// Users of the roles: what root gives away before any input is read.
#pragma once

#include <string>

#include <sys/types.h>

#include "core/error.h"

namespace brevdue::daemon {

struct Account {
  uid_t user;
  gid_t group;
  bool fallback;  // the named account does not exist: this is "nobody"
};

// Only meaningful as root; the account named, or nobody's.
Result<Account> find_account(const std::string& name);

// Gives up root for good; nothing to do (and no error) for an ordinary user.
Result<void> become(const Account& account);

bool is_root();

}  // namespace brevdue::daemon
