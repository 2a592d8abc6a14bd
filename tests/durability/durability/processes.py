"""Processes of a run: started under a mark, killed by descriptor, never left behind.

The run is a subreaper, so that what a killed master leaves comes to us and not to an init that may
not wait for it.
"""

import ctypes
import os
import select
import signal
import subprocess
import threading

MARK = "BREVDUE_DURABILITY"
PR_SET_CHILD_SUBREAPER = 36

_started = set()
_lock = threading.Lock()


def become_subreaper():
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def spawn(command, mark, **options):
    """A process with the mark in its environment, which its children inherit."""
    with _lock:
        process = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL,
                                   env=os.environ | {MARK: mark}, **options)
        _started.add(process.pid)
    return process


def wait_for(process, seconds):
    """Its exit code, or None if it still runs after this time."""
    try:
        code = process.wait(seconds)
    except subprocess.TimeoutExpired:
        return None
    with _lock:
        _started.discard(process.pid)
    return code


def _stat(pid):
    """(parent, state, name) of a process, or None."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            text = file.read()
    except OSError:
        return None
    name = text[text.index(b"(") + 1:text.rindex(b")")].decode(errors="replace")
    fields = text[text.rindex(b")") + 2:].split()
    return int(fields[1]), fields[0].decode(), name


def children_of(parent):
    """{pid: name} of the children that run."""
    found = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        stat = _stat(pid)
        if stat and stat[0] == parent and stat[1] != "Z":
            found[int(pid)] = stat[2]
    return found


def reap_orphans():
    """Waits for what came to us and has ended; what we started ourselves is not touched."""
    with _lock:
        for pid in filter(str.isdigit, os.listdir("/proc")):
            stat = _stat(pid)
            if stat and stat[0] == os.getpid() and stat[1] == "Z" and int(pid) not in _started:
                try:
                    os.waitpid(int(pid), os.WNOHANG)
                except ChildProcessError:
                    pass


class Descriptors:
    """Processes held by descriptor: no signal of ours can reach another that took over a number."""

    def __init__(self, pids):
        self.open = {}
        for pid in pids:
            try:
                self.open[pid] = os.pidfd_open(pid)
            except ProcessLookupError:
                continue

    def send(self, number, pids=None):
        for pid in list(self.open) if pids is None else pids:
            try:
                signal.pidfd_send_signal(self.open[pid], number)
            except (KeyError, ProcessLookupError):
                continue

    def wait(self, seconds):
        """Those that still run after this time."""
        watched = select.poll()
        for descriptor in self.open.values():
            watched.register(descriptor, select.POLLIN)
        left = dict(self.open)
        step = max(1, int(seconds * 1000))
        while left:
            ready = {descriptor for descriptor, _ in watched.poll(step)}
            if not ready:
                break
            for pid, descriptor in list(left.items()):
                if descriptor in ready:
                    watched.unregister(descriptor)
                    del left[pid]
        return sorted(left)

    def close(self):
        for descriptor in self.open.values():
            os.close(descriptor)
        self.open = {}


def kill_now(pids, seconds=10):
    """Kills by -9 in the order given and waits. True when all are gone."""
    held = Descriptors(pids)
    try:
        held.send(signal.SIGKILL)
        return not held.wait(seconds)
    finally:
        held.close()
        reap_orphans()


def clear_left_overs(mark):
    """Ends what an earlier run, killed itself, left under the same mark."""
    wanted = f"{MARK}={mark}".encode()
    left = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/environ", "rb") as file:
                if wanted in file.read().split(b"\0"):
                    left.append(int(pid))
        except OSError:
            continue
    if left:
        kill_now(left)
