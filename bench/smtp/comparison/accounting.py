"""Processor time of a whole process tree, and what a block device was asked to do."""

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

CPUACCT = Path("/sys/fs/cgroup/cpuacct")
UNIFIED = (Path("/sys/fs/cgroup"), Path("/sys/fs/cgroup/unified"))


def _drain(pids, patience=10):
    deadline = time.monotonic() + patience
    while left := pids():
        if time.monotonic() > deadline:
            for pid in left:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue
        time.sleep(0.02)


def make_cpu_group():
    """The best way to account that this kernel offers."""
    name = f"brevdue-compare-{os.getpid()}"
    if (CPUACCT / "cpuacct.usage").exists():
        return ControlGroup(CPUACCT / name, lambda group: int((group / "cpuacct.usage").read_text()) / 1e9)
    for root in UNIFIED:
        if (root / "cgroup.controllers").exists():
            return ControlGroup(root / name, _usage_of_unified)
    return ProcessTree()


def _usage_of_unified(group):
    for line in (group / "cpu.stat").read_text().splitlines():
        key, value = line.split()
        if key == "usage_usec":
            return int(value) / 1e6
    raise RuntimeError(f"{group}/cpu.stat has no usage_usec")


class ControlGroup:
    """Counts everything that ever ran in it, also what has ended."""

    how = "control group"

    def __init__(self, path, usage):
        self.path = path
        self.usage = usage
        path.mkdir()

    def enter(self):
        """In the child, before it executes the program."""
        (self.path / "cgroup.procs").write_text(str(os.getpid()))

    def track(self, pid):
        """Not needed: children are born in the group."""

    def seconds(self):
        return self.usage(self.path)

    def drain(self):
        """Waits for the processes of a server that was told to stop, and ends those that do not."""
        _drain(lambda: [int(pid) for pid in (self.path / "cgroup.procs").read_text().split()])

    def close(self):
        self.drain()
        self.path.rmdir()


class ProcessTree:
    """Sums /proc/PID/stat over a process and its descendants, with what ended and was waited for."""

    how = "sum of /proc/PID/stat"

    def __init__(self):
        self.root = None

    def enter(self):
        """Nothing to do in the child."""

    def track(self, pid):
        self.root = pid

    def seconds(self):
        stats = {}
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            try:
                fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            stats[int(entry.name)] = (int(fields[1]), sum(map(int, fields[11:15])))
        ticks, family = 0, [self.root]
        while family:
            pid = family.pop()
            if pid in stats:
                ticks += stats[pid][1]
                family += [child for child, (parent, _) in stats.items() if parent == pid]
        return ticks / os.sysconf("SC_CLK_TCK")

    def drain(self):
        """As for a control group; what has lost its parent is found by its session."""
        _drain(self._session)

    def _session(self):
        """The server was started in a session of its own, which its children do not leave."""
        found = []
        for entry in Path("/proc").iterdir():
            try:
                if entry.name.isdigit() and os.getsid(int(entry.name)) == self.root:
                    found.append(int(entry.name))
            except ProcessLookupError:
                continue
        return found

    def close(self):
        if self.root is not None:
            self.drain()


@dataclass
class DiskCounters:
    """What /proc/diskstats says; an explicit flush is counted among the writes too."""

    writes: int
    bytes: int
    flushes: int

    @classmethod
    def read(cls, device):
        name = Path(device).name
        for line in Path("/proc/diskstats").read_text().splitlines():
            fields = line.split()
            if fields[2] == name:
                return cls(int(fields[7]), int(fields[9]) * 512, int(fields[18]))
        raise RuntimeError(f"{name} is not in /proc/diskstats")

    def since(self, before):
        return DiskCounters(self.writes - before.writes, self.bytes - before.bytes,
                            self.flushes - before.flushes)
