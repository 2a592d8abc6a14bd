#include "daemon/users.h"

#include <cerrno>

#include <grp.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <unistd.h>

namespace brevdue::daemon {

bool is_root() {
  return ::geteuid() == 0;
}

Result<Account> find_account(const std::string& name) {
  errno = 0;
  if (const passwd* found = ::getpwnam(name.c_str())) {
    return Account{found->pw_uid, found->pw_gid, false};
  }
  if (const passwd* nobody = ::getpwnam("nobody")) {
    return Account{nobody->pw_uid, nobody->pw_gid, true};
  }
  return fail(ErrorCode::not_found, "there is neither an account \"" + name + "\" nor \"nobody\"");
}

Result<void> become(const Account& account) {
  if (!is_root()) return {};
  if (::setgroups(0, nullptr) != 0) return fail_os(errno, "setgroups");
  if (::setresgid(account.group, account.group, account.group) != 0) {
    return fail_os(errno, "setresgid");
  }
  if (::setresuid(account.user, account.user, account.user) != 0)
    return fail_os(errno, "setresuid");
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return fail_os(errno, "no_new_privs");
  return {};
}

}  // namespace brevdue::daemon
