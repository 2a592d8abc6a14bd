"""One run of the real processes on a disk that writes down every write and flush.

What was acknowledged when is in the books of client and sink, in wall time; so is each event of the
record. A 250 that a client had read before event N happened rests on events before N only.
"""

import shutil
import time
from pathlib import Path

from durability.processes import clear_left_overs
from durability.server import Brevdue
from durability.storage import StorageFailure, run_tool
from durability.traffic import Load, Sink

from . import scratch

SIZE = {"ext4": "192M", "xfs": "300M", "btrfs": "256M"}
# A log of the default size takes half a second to replay after each cut.
MKFS = {"ext4": "-J size=8", "xfs": "--unsupported -l size=10m", "btrfs": ""}
# The smallest: an image is copied for each cut.
SIZES = {"reserve": "8MiB", "segment_size": "16MiB", "growth_step": "1MiB"}
# So that hundreds of messages are queued at each cut.
DEFERRED = 0.4
CLOCK_STEP_MAX = 0.0005  # seconds; more, and books and record cannot be compared


def clock_offset():
    """How far the wall clock is from the steady one, by the quickest of some looks."""
    looks = []
    for _ in range(20):
        before = time.monotonic_ns()
        wall = time.time_ns()
        after = time.monotonic_ns()
        looks.append((after - before, wall - (before + after) // 2))
    return min(looks)[1] / 1e9


class Recording:
    """Everything of it lies in one folder of its own; `remove` takes it away."""

    def __init__(self, backend, file_system, options, folder, stop):
        self.backend = backend
        self.file_system = file_system
        self.options = options
        self.folder = Path(folder)
        self.stop = stop
        self.mark = str(self.folder)
        self.disk = self.folder / "disk"
        self.record = self.folder / "record"
        self.mount = self.folder / "mnt"
        self.config = self.folder / "recovery.toml"
        self.load_began = 0
        self.acknowledged = 0

    def clear(self):
        """What an earlier run left here that was killed itself."""
        if self.folder.exists():
            clear_left_overs(self.mark)
            run_tool(self.options.bin / "with-disk", "down", self.disk)
            shutil.rmtree(self.folder)

    def make(self, seconds, seed):
        self.clear()
        self.folder.mkdir(parents=True)
        # The roles run under another account when the run is root's.
        self.folder.chmod(0o755)
        self.mount.mkdir()
        sockets = scratch.for_sockets()
        offset = clock_offset()
        try:
            self._drive(sockets, seconds, seed)
        finally:
            clear_left_overs(self.mark)
            run_tool(self.options.bin / "with-disk", "down", self.disk)
            shutil.rmtree(sockets, ignore_errors=True)
        if abs(clock_offset() - offset) > CLOCK_STEP_MAX:
            raise StorageFailure("the clock was set while it was recorded; run it again")

    def _drive(self, sockets, seconds, seed):
        run_tool(self.options.bin / "with-disk", "up", self.disk, "--fs", self.file_system,
                 "--size", SIZE[self.file_system], "--mkfs-options", MKFS[self.file_system],
                 "--record", self.record)
        spool = self.disk / "mnt" / "spool"
        sink = Sink(self.options.bin / "brevdue-sink", self.folder, sockets, seed, self.mark,
                    DEFERRED)
        server = Brevdue(self.options.brevdue, self.backend, spool, self.folder, sockets,
                         sink.port, self.mark, self.stop, SIZES)
        text = server.config.read_text()
        self.config.write_text(text.replace(str(spool), str(self.mount / "spool")))
        load = None
        try:
            server.start()
            self.load_began = time.time_ns() // 1000
            load = Load(self.options.bin / "brevdue-load", self.folder, "p", self.options.rate,
                        self.mark)
            load.start(server.port)
            self.stop.pause(seconds)
            # The record ends with what the disk took; nothing may be acknowledged beyond it.
            run_tool(self.options.bin / "with-disk", "cut", self.disk, "drop")
            self.stop.pause(0.02)
        finally:
            server.kill_all()
            if load is not None:
                self.acknowledged = load.stop(server_is_dead=True)
            sink.settle()
            sink.end()

    def remove(self):
        shutil.rmtree(self.folder, ignore_errors=True)
