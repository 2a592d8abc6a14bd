"""Debian's Postfix, tuned, unpacked into a private folder and run from there; never installed."""

import grp
import os
import pwd
import shutil
import signal
import subprocess
from pathlib import Path

from comparison.image import run
from comparison.traffic import wait_for_greeting

# What is not a path, a name or an address. Nothing here makes a message less safe: Postfix syncs the
# queue file before its 250 as it always does.
TUNING = """\
compatibility_level = 3.6
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = postfix.load.test
mydestination =
mynetworks = 127.0.0.0/8
alias_maps =
alias_database =
local_recipient_maps =
transport_maps =
virtual_alias_maps =
canonical_maps =
notify_classes =
biff = no
# No look-ups: not of the client, not of the next hop, whose address is given.
smtpd_peername_lookup = no
smtp_dns_support_level = disabled
smtp_host_lookup = native
# No checks but that the client may relay.
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_client_restrictions =
smtpd_helo_restrictions =
smtpd_sender_restrictions =
smtpd_recipient_restrictions =
smtpd_data_restrictions =
smtpd_end_of_data_restrictions =
smtpd_delay_reject = yes
smtpd_tls_security_level = none
smtp_tls_security_level = none
smtpd_sasl_auth_enable = no
local_header_rewrite_clients =
header_checks =
body_checks =
smtputf8_enable = no
# No limit on one client, and no brake when the queue manager lags behind.
smtpd_client_connection_count_limit = 0
smtpd_client_connection_rate_limit = 0
smtpd_client_message_rate_limit = 0
smtpd_client_event_limit_exceptions = 127.0.0.0/8
in_flow_delay = 0
default_process_limit = 200
max_use = 100000
max_idle = 300s
ipc_idle = 300s
qmgr_message_active_limit = 50000
qmgr_message_recipient_limit = 50000
# One next hop, many connections, each kept for many messages.
default_destination_concurrency_limit = {concurrency}
initial_destination_concurrency = {concurrency}
default_destination_rate_delay = 0s
smtp_destination_recipient_limit = 50
smtp_connection_cache_on_demand = yes
smtp_connection_cache_destinations = [127.0.0.1]
smtp_connection_reuse_time_limit = 3600s
smtp_connection_reuse_count_limit = 0
smtp_connection_cache_time_limit = 10s
queue_run_delay = 1000s
minimal_backoff_time = 1000s
hopcount_limit = 50
import_environment = MAIL_CONFIG LD_LIBRARY_PATH TZ LANG=C POSTLOG_SERVICE POSTLOG_HOSTNAME
"""

MASTER = """\
# service     type  private unpriv chroot wakeup maxproc command
127.0.0.1:{port} inet n - n - 200 smtpd
pickup        unix  n - n 60 1 pickup
cleanup       unix  n - n - 0 cleanup
qmgr          unix  n - n 300 1 qmgr
rewrite       unix  - - n - - trivial-rewrite
bounce        unix  - - n - 0 bounce
defer         unix  - - n - 0 bounce
trace         unix  - - n - 0 bounce
verify        unix  - - n - 1 verify
flush         unix  n - n 1000? 0 flush
proxymap      unix  - - n - - proxymap
smtp          unix  - - n - 100 smtp
relay         unix  - - n - 100 smtp
showq         unix  n - n - - showq
error         unix  - - n - - error
retry         unix  - - n - - error
discard       unix  - - n - - discard
local         unix  - n n - - local
virtual       unix  - n n - - virtual
anvil         unix  - - n - 1 anvil
scache        unix  - - n - 1 scache
"""

QUEUES = ("active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming", "private",
          "saved", "trace")


class PostfixPackage:
    """The files of Debian's package, and the environment in which its programs find their libraries."""

    def __init__(self, folder):
        self.root = Path(folder) / "postfix"

    def unpack(self):
        if not self.program("smtp-source").exists():
            self.root.parent.mkdir(parents=True, exist_ok=True)
            download = self.root.parent / "download"
            download.mkdir(exist_ok=True)
            done = subprocess.run(["apt-get", "download", "postfix"], cwd=download, capture_output=True,
                                  text=True)
            packages = sorted(download.glob("postfix_*.deb"))
            if done.returncode != 0 or not packages:
                raise RuntimeError(f"apt-get download postfix: {done.stderr.strip()}")
            run("dpkg", "-x", packages[-1], self.root)
        return self

    @property
    def libraries(self):
        return self.root / "usr/lib/postfix"

    def program(self, name):
        return self.root / "usr/sbin" / name

    def environment(self):
        return {**os.environ, "LD_LIBRARY_PATH": str(self.libraries)}

    def version(self):
        done = subprocess.run([self.program("postconf"), "-c", "/dev/null", "-d", "-h", "mail_version"],
                              env=self.environment(), capture_output=True, text=True)
        return done.stdout.strip() or "unknown version"


def _account():
    """The account its processes drop to. It must not be the one deliveries run as (nobody)."""
    for name in ("postfix", "daemon", "mail"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise RuntimeError("no account for Postfix: none of postfix, daemon, mail exists")


def _submission_group():
    for name in ("postdrop", "operator", "src"):
        try:
            return grp.getgrnam(name)
        except KeyError:
            continue
    raise RuntimeError("no group for Postfix: none of postdrop, operator, src exists")


class Postfix:
    """One instance on a fresh spool."""

    name = "postfix"

    def __init__(self, package, spool, output, cpu, port, next_hop, concurrency):
        self.package = package
        self.queue = Path(spool) / "postfix"
        self.config = Path(output) / "postfix"
        self.cpu = cpu
        self.port = port
        self.next_hop = next_hop
        self.concurrency = concurrency
        self.process = None

    def start(self):
        account, group = _account(), _submission_group()
        self._make_queue(account, group)
        self.config.mkdir(exist_ok=True)
        paths = (f"queue_directory = {self.queue}\n"
                 f"data_directory = {self.queue}/state\n"
                 f"command_directory = {self.package.root}/usr/sbin\n"
                 f"daemon_directory = {self.package.libraries}/sbin\n"
                 f"shlib_directory = {self.package.libraries}\n"
                 f"meta_directory = {self.config}\n"
                 f"mail_owner = {account.pw_name}\n"
                 f"setgid_group = {group.gr_name}\n"
                 f"default_privs = nobody\n"
                 f"relayhost = [127.0.0.1]:{self.next_hop}\n")
        (self.config / "main.cf").write_text(paths + TUNING.format(concurrency=self.concurrency))
        (self.config / "master.cf").write_text(MASTER.format(port=self.port))
        self.process = subprocess.Popen(
            [self.package.libraries / "sbin/master", "-c", self.config, "-d"],
            env={**self.package.environment(), "MAIL_CONFIG": str(self.config)},
            preexec_fn=self.cpu.enter, start_new_session=True, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.cpu.track(self.process.pid)
        wait_for_greeting(self.port, lambda: self.process.poll() is None)

    def _make_queue(self, account, group):
        shutil.rmtree(self.queue, ignore_errors=True)
        self.queue.mkdir(mode=0o755)
        (self.queue / "pid").mkdir(mode=0o755)
        for name, mode in [(queue, 0o700) for queue in QUEUES] + [("state", 0o700)]:
            folder = self.queue / name
            folder.mkdir()
            os.chown(folder, account.pw_uid, -1)
            folder.chmod(mode)
        for name, mode in (("maildrop", 0o730), ("public", 0o710)):
            folder = self.queue / name
            folder.mkdir()
            os.chown(folder, account.pw_uid, group.gr_gid)
            folder.chmod(mode)

    def delete_all(self):
        """What is queued."""
        run(self.package.program("postsuper"), "-c", self.config, "-d", "ALL", env=self.package.environment())

    def stop(self):
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process = None
