"""Brevdue itself, started by a test: config, spool and log in a directory of its own."""

import json
import os
import re
import signal
import smtplib
import subprocess
from pathlib import Path

from .processes import alive, children, end, program, run, spawn
from .waiting import wait_for

BACKENDS = ("iouring", "lmdb", "maildir")

_DEFAULTS = {
    "hostname": "mx.relay.test",
    "queue.iouring.segment_size": "16MiB",
    "queue.lmdb.map_size": "1GiB",
    "queue.lmdb.growth_step": "1MiB",
    "queue.reserve": 0,
    "smtpd.processes": 1,
    "delivery.processes": 1,
    "delivery.connection_idle": "0s",
    "log.target": "stderr",
}


def _toml(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_toml(one) for one in value) + "]"
    return json.dumps(value)


class Brevdue:
    """`settings` are dotted keys with the dots as in the file; `listen` the addresses to accept on."""

    def __init__(self, directory, backend="iouring", settings=None, listen=("127.0.0.1:0",), prefix=()):
        self.directory = Path(directory)
        self.config = self.directory / "brevdue.toml"
        self.spool = self.directory / "spool"
        self.log_path = self.directory / "stderr.log"
        self.listen = list(listen)
        self.settings = {**_DEFAULTS, "queue.backend": backend, "queue.path": str(self.spool),
                         "control.socket": str(self.directory / "control"), **(settings or {})}
        self.prefix = list(prefix)  # words before the command: setpriv, faketime
        self.environment = dict(os.environ)
        self.process = None
        self._log_from = 0
        self._port = None
        self.log_path.touch()
        self.write_config()

    def write_config(self, **changes):
        """Keyword names have `__` for a dot."""
        self.settings.update({name.replace("__", "."): value for name, value in changes.items()})
        lines = [f"{key} = {_toml(value)}" for key, value in self.settings.items()]
        lines += [f"[[listen]]\naddress = {_toml(address)}" for address in self.listen]
        self.config.write_text("\n".join(lines) + "\n")

    def spawn(self):
        """Starts it and does not wait: for starts that are to fail."""
        self.log_path.touch()
        self._log_from = self.log_path.stat().st_size
        self._port = None
        with open(self.log_path, "ab") as log:
            self.process = spawn([*self.prefix, program("brevdue"), "serve", "-c", self.config],
                                 stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.environment)
        return self.process

    def start(self):
        self.spawn()
        wait_for(lambda: self.greets() or self._ended(), lambda: "the greeting of Brevdue\n" + self.log())
        self._port = self.find_port()
        return self

    def _ended(self):
        if self.process.poll() is not None:
            raise AssertionError(f"Brevdue ended with {self.process.returncode}:\n{self.log()}")
        return False

    def greets(self):
        port = self._port or self.find_port()
        if not port:
            return False
        try:
            with smtplib.SMTP("127.0.0.1", port, timeout=20):
                return True
        except (OSError, smtplib.SMTPException):
            return False

    def find_port(self, index=0):
        found = re.findall(r"listening on \S*:(\d+)", self.log(this_run=True))
        return int(found[index]) if len(found) > index else None

    @property
    def port(self):
        return self._port

    @property
    def master(self):
        """The pid of the master, below whatever the prefix started."""
        return self.process.pid

    def roles(self, role=None):
        """Pids of the role processes, the oldest first."""
        return [pid for pid, words in children(self.master).items()
                if words[1:2] == ["role"] and role in (None, words[2])]

    def kill_role(self, role):
        """kill -9, and waits until it is gone; its pid."""
        pid = wait_for(lambda: self.roles(role), f"a {role} process")[0]
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: not alive(pid), f"the end of {role} {pid}")
        return pid

    def kill_all(self):
        """kill -9 of every process, as near to at once as can be."""
        pids = [self.master, *self.roles()]
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        self.process.wait()
        wait_for(lambda: not any(alive(pid) for pid in pids), "the end of all processes")

    def stop(self):
        """SIGTERM; the exit status."""
        roles = self.roles()
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(60)
        wait_for(lambda: not any(alive(pid) for pid in roles), "the end of all roles")
        return code

    def reload(self):
        before = len(self.log())
        self.process.send_signal(signal.SIGHUP)
        wait_for(lambda: re.search(r"reloaded|stays in force", self.log()[before:]), "the end of the reload")
        return self.log()[before:]

    def close(self):
        if self.process is not None and self.process.poll() is None:
            roles = self.roles()
            end(self.process)
            wait_for(lambda: not any(alive(pid) for pid in roles), "the end of all roles")

    def log(self, this_run=False):
        path = self.log_path
        target = self.settings["log.target"]
        text = path.read_bytes()[self._log_from if this_run else 0:].decode(errors="replace")
        if target.startswith("/") and os.path.exists(target):
            text += Path(target).read_text(errors="replace")
        return text

    def wait_for_log(self, pattern, count=1):
        """The matches of the pattern, once there are `count`."""
        def found():
            matches = list(re.finditer(pattern, self.log(), re.MULTILINE))
            return matches if len(matches) >= count else None
        return wait_for(found, lambda: f"{count} of {pattern!r} in the log:\n{self.log()}")

    def command(self, *words, text=None, prefix=()):
        """`brevdue WORDS… -c CONFIG`: the finished process, with its output."""
        return run([*prefix, program("brevdue"), *words, "-c", self.config], input=text)

    def queue(self, *words, text=None):
        return self.command("queue", *words, text=text)

    def entries(self):
        """The queue as `queue list --json` prints it."""
        done = self.queue("list", "--json")
        if done.returncode != 0:
            raise AssertionError(f"queue list: {done.stderr}")
        return [json.loads(line) for line in done.stdout.splitlines()]

    def wait_until_empty(self):
        wait_for(lambda: not self.entries(), lambda: f"an empty queue:\n{self.queue('list').stdout}\n{self.log()}")

    def wait_until_deferred(self, count=1):
        """The entries, once so many are deferred and nothing is active."""
        def all_deferred():
            entries = self.entries()
            names = [entry["queue_name"] for entry in entries]
            return entries if names == ["deferred"] * count else None
        return wait_for(all_deferred,
                        lambda: f"{count} deferred:\n{self.queue('list').stdout}\n{self.log()}")
