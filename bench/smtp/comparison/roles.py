"""What each role of a running Brevdue takes: memory and processor time, from /proc."""

import re
import threading
import time
from pathlib import Path

ROLES = ("master", "smtpd", "qmgr", "delivery")


def processes(master):
    """{pid: role} of the master and its children."""
    found = {master: "master"}
    for child in Path(f"/proc/{master}/task/{master}/children").read_text().split():
        try:
            words = Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if words[1:2] == [b"role"]:
            found[int(child)] = words[2].decode()
    return found


def pid_of(master, role):
    return next((pid for pid, name in processes(master).items() if name == role), None)


def _field(path, name):
    found = re.search(rf"(?m)^{name}:\s*(\d+) kB", Path(path).read_text())
    return int(found[1]) * 1024 if found else 0


def pss(pid):
    """Proportional set size in bytes: what is shared counts once over all who share it."""
    return _field(f"/proc/{pid}/smaps_rollup", "Pss")


def resident(pid):
    """(RssAnon, RssFile) in bytes."""
    return _field(f"/proc/{pid}/status", "RssAnon"), _field(f"/proc/{pid}/status", "RssFile")


def _nanoseconds(task):
    """On a processor, by the scheduler's clock: /proc/PID/stat counts in ticks, too coarse for a step."""
    try:
        return int((task / "schedstat").read_text().split()[0])
    except (FileNotFoundError, ProcessLookupError):
        return 0  # it has ended


def processor_seconds(master):
    """{role: seconds on a processor so far}, of the threads that there are now."""
    seconds = dict.fromkeys(ROLES, 0.0)
    for pid, role in processes(master).items():
        seconds[role] += sum(_nanoseconds(task) for task in Path(f"/proc/{pid}/task").iterdir()) / 1e9
    return seconds


class PeakMemory:
    """Samples the PSS of all processes from a thread of its own, until it is left."""

    def __init__(self, master, every=0.1):
        self.master = master
        self.every = every
        self.peaks = dict.fromkeys((*ROLES, "all"), 0)
        self.last = 0  # of all together
        self.samples = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._ended.set()
        self._thread.join()

    def _run(self):
        due = time.monotonic()
        while not self._ended.is_set():
            try:
                self._sample()
            except (FileNotFoundError, ProcessLookupError):
                pass  # a process ended between the list and its entry
            due = max(due + self.every, time.monotonic())
            self._ended.wait(due - time.monotonic())

    def _sample(self):
        now = dict.fromkeys(self.peaks, 0)
        for pid, role in processes(self.master).items():
            taken = pss(pid)
            now[role] += taken
            now["all"] += taken
        self.last = now["all"]
        self.samples += 1
        for name, taken in now.items():
            self.peaks[name] = max(self.peaks[name], taken)
