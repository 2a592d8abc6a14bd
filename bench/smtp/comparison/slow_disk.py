"""A slow disk for the spools, in place of an image."""

import shlex
import subprocess
from pathlib import Path

from comparison.image import SpoolImage, empty, run

# Of a disk of 150 operations a second.
USUAL_COST = "6.67ms"


class SlowDisk:
    """A file system on an emulated disk (bench/disk) that serves one request at a time, each at a set cost."""

    def __init__(self, folder, size_mib, file_system, cost, bin_directory):
        self.folder = folder / "slow-disk"
        self.size = f"{size_mib}M"
        self.file_system = file_system
        self.cost = cost
        self.with_disk = bin_directory / "with-disk"
        self.mount_point = None
        self.device = None

    def __enter__(self):
        printed = run(self.with_disk, "up", self.folder, "--fs", self.file_system, "--slow", self.cost,
                      "--size", self.size)
        words = [word for word in shlex.split(printed) if "=" in word]
        environment = dict(word.split("=", 1) for word in words)
        self.mount_point = Path(environment["BREVDUE_DISK_MOUNT"])
        self.device = environment["BREVDUE_DISK_LOOP"]
        return self

    def __exit__(self, *_):
        subprocess.run([self.with_disk, "down", self.folder], check=False)

    @property
    def about(self):
        # with-disk makes them with the journal that mkfs chooses for the size.
        return (f"{self.file_system}, noatime, on an emulated disk of {self.size}: one request at a time, "
                f"{self.cost} for each write and each flush")

    def clear(self):
        empty(self.mount_point)


def disk_for(options, file_system, bin_directory):
    """The emulated disk if --slow is given, else an image; in the work folder."""
    if options.slow:
        return SlowDisk(options.work, options.image_size, file_system, options.slow, bin_directory)
    return SpoolImage(options.work, options.image_size, file_system)
