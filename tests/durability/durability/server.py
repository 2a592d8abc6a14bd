"""Brevdue on one spool: start, kill in every way, stop, and the operator's commands."""

import json
import os
import random
import re
import signal
import socket
import subprocess

from .processes import Descriptors, children_of, kill_now, reap_orphans, spawn, wait_for
from .stopping import Timeout

START_PATIENCE = 30
LISTENING = re.compile(r"listening on 127\.0\.0\.1:(\d+)")
RECOVERED = re.compile(r"/qmgr\[(\d+)\]: recovery has ended")
QMGR = "brevdue-qmgr"


class StartFailure(Exception):
    """Brevdue does not come up: a fault of what is tested."""


# Small files: segments are reused within one run.
SIZES = {"reserve": "32MiB", "segment_size": "16MiB", "growth_step": "8MiB"}


class Brevdue:
    def __init__(self, program, backend, spool, folder, sockets, next_hop, mark, stop, sizes=None):
        self.program = program
        self.backend = backend
        self.spool = spool
        self.control = sockets / "control"
        self.config = folder / "brevdue.toml"
        self.log = folder / "brevdue.log"
        self.next_hop = next_hop
        self.mark = mark
        self.stop_asked = stop
        self.sizes = sizes or SIZES
        self.master = None
        self.port = 0
        self.from_here = 0
        self.config.write_text(self._config_text())
        self.log.touch()

    def _config_text(self):
        # Small pauses: messages are tried again within one run.
        return f"""hostname = "durability.test"
[queue]
backend = "{self.backend}"
path = "{self.spool}"
reserve = "{self.sizes['reserve']}"
[queue.iouring]
segment_size = "{self.sizes['segment_size']}"
[queue.lmdb]
growth_step = "{self.sizes['growth_step']}"
[control]
socket = "{self.control}"
[smtpd]
processes = 2
[delivery]
processes = 2
relay_host = "127.0.0.1:{self.next_hop}"
[retry]
delay_min = "1s"
delay_max = "2s"
[log]
target = "{self.log}"
[[listen]]
address = "127.0.0.1:0"
"""

    def _new_log(self):
        with open(self.log, "rb") as file:
            file.seek(self.from_here)
            return file.read().decode(errors="replace")

    def start(self):
        """Until a client gets its greeting."""
        self.from_here = os.path.getsize(self.log)
        with open(self.log, "ab") as log:
            self.master = spawn([self.program, "serve", "-c", self.config], self.mark,
                                stdout=log, stderr=log)
        self.port = int(self._until(self._listening, "listener").group(1))
        self._until(self._greets, "greeting")

    def _listening(self):
        found = LISTENING.search(self._new_log())
        if not found and self.master.poll() is not None:
            raise StartFailure(f"serve ended with {self.master.returncode}; last log lines:\n"
                               f"{self.last_lines()}")
        return found

    def _greets(self):
        if self.master.poll() is not None:
            raise StartFailure(f"serve ended with {self.master.returncode} before it greeted; "
                               f"last log lines:\n{self.last_lines()}")
        try:
            with socket.create_connection(("127.0.0.1", self.port), 5) as client:
                client.settimeout(5)
                greeting = client.recv(512)
                client.sendall(b"QUIT\r\n")
                return greeting.startswith(b"220")
        except OSError:
            return False

    def last_lines(self, count=12):
        lines = [line for line in self._new_log().splitlines()
                 if "warning" in line or "error" in line or "brevdue:" in line]
        return "\n".join("    " + line[:300] for line in lines[-count:])

    def _until(self, condition, what):
        try:
            return self.stop_asked.until(condition, START_PATIENCE, what, 0.01)
        except Timeout as late:
            raise StartFailure(f"{late}; last log lines:\n{self.last_lines()}") from late

    # Killing.

    def kill_all(self, chance=random):
        """All processes by -9. The master is halted first, so that it starts nothing meanwhile."""
        if self.master is None:
            return
        held = Descriptors([self.master.pid])
        held.send(signal.SIGSTOP)
        roles = list(children_of(self.master.pid))
        chance.shuffle(roles)
        gone = kill_now(roles + [self.master.pid])
        held.close()
        wait_for(self.master, 10)
        self.master = None
        reap_orphans()
        if not gone:
            raise StartFailure("a process outlives kill -9 for ten seconds")

    def kill_master(self, patience=5):
        """The master alone. Returns the names of roles that did not end by themselves."""
        roles = children_of(self.master.pid)
        held = Descriptors(roles)
        kill_now([self.master.pid])
        wait_for(self.master, 10)
        self.master = None
        left = held.wait(patience)
        held.send(signal.SIGKILL, left)
        held.wait(5)
        held.close()
        reap_orphans()
        return [roles[pid] for pid in left]

    def kill_qmgr(self):
        """qmgr alone, and until the next one has recovered."""
        killed = self._until(lambda: [pid for pid, name in children_of(self.master.pid).items()
                                      if name == QMGR], f"a {QMGR} to kill")
        before = len(RECOVERED.findall(self._new_log()))
        kill_now(killed)
        self._until(lambda: len(RECOVERED.findall(self._new_log())) > before,
                    "recovery of the next qmgr")

    def end(self, patience=40):
        """As an operator stops it. Returns its exit code, None if it had to be killed."""
        if self.master is None:
            return 0
        held = Descriptors([self.master.pid])
        held.send(signal.SIGTERM)
        held.close()
        code = wait_for(self.master, patience)
        if code is None:
            self.kill_all()
        self.master = None
        reap_orphans()
        return code

    # The operator's commands.

    def queue(self, *words, patience=30):
        return subprocess.run([self.program, "queue", *words, "-c", self.config],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=patience)

    def queued(self):
        """What `queue list` shows, as a list of objects."""
        done = self.queue("list", "--json")
        if done.returncode != 0:
            raise StartFailure(f"queue list: exit {done.returncode}: {done.stderr.strip()}")
        return [json.loads(line) for line in done.stdout.splitlines()]
