"""A file system of its own for the spools, on a fully written image on a loop device.

The root file system of a test machine stands for no real disk; see README.md.
"""

import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path


def run(*command, env=None):
    """Runs a command and returns what it printed; its complaint is the exception's text."""
    done = subprocess.run(command, capture_output=True, text=True, env=env)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, command))}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout.strip()


@dataclass(frozen=True)
class FileSystem:
    """How one is made and mounted. Nothing is discarded: the image stays fully written."""

    make: tuple
    mount_options: str
    about: str


FILE_SYSTEMS = {
    "ext4": FileSystem(("mkfs.ext4", "-q", "-F", "-J", "size=128", "-E",
                        "nodiscard,lazy_itable_init=0,lazy_journal_init=0"),
                       "noatime,nodiscard", "ext4, journal of 128 MiB, noatime"),
    "xfs": FileSystem(("mkfs.xfs", "-q", "-f", "-K"), "noatime,nodiscard", "xfs, noatime"),
    "btrfs": FileSystem(("mkfs.btrfs", "-q", "-f", "-K"), "noatime,nodiscard", "btrfs, noatime"),
}


def empty(mount_point):
    """Removes all that is on a file system of our own and lets its journal come to rest."""
    for entry in mount_point.iterdir():
        if entry.is_dir():
            shutil.rmtree(entry)
        else:
            entry.unlink()
    run("sync", "-f", mount_point)


class SpoolImage:
    """Made when entered, unmounted and detached when left; the image file stays for the next time."""

    def __init__(self, folder, size_mib, file_system="ext4"):
        self.folder = Path(folder)
        self.file = self.folder / "spool.img"
        self.mount_point = self.folder / "spool"
        self.size = size_mib << 20
        self.file_system = FILE_SYSTEMS[file_system]
        self.device = None
        self.mounted = False

    def __enter__(self):
        try:
            self._write_fully()
            self.device = run("losetup", "--find", "--show", "--direct-io=on", self.file)
            run(*self.file_system.make, self.device)
            self.mount_point.mkdir(exist_ok=True)
            self._mount()
            self.mounted = True
            self.mount_point.chmod(0o755)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if self.mounted:
            self._unmount()
            self.mounted = False
        if self.device:
            subprocess.run(["losetup", "--detach", self.device], check=False)
            self.device = None

    @property
    def about(self):
        return f"{self.file_system.about}, on a fully written image, loop with direct I/O"

    def _mount(self):
        run("mount", "-o", self.file_system.mount_options, self.device, self.mount_point)

    def _unmount(self):
        # A process that has ended may hold its files for a moment longer.
        for _ in range(50):
            done = subprocess.run(["umount", self.mount_point], capture_output=True, text=True)
            if done.returncode == 0:
                return
            time.sleep(0.1)
        print(f"left mounted: {done.stderr.strip()}", file=sys.stderr)

    def remount(self):
        """Leaves nothing of the file system in memory but what the loop device's file has there."""
        self._unmount()
        self._mount()

    def _write_fully(self):
        if self.file.exists() and self.file.stat().st_blocks * 512 >= self.size == self.file.stat().st_size:
            return
        free = shutil.disk_usage(self.folder).free
        if free < self.size + (1 << 30):
            raise RuntimeError(f"{self.folder} has {free >> 20} MiB free: too little for the image")
        with open(self.file, "wb") as image:
            block = os.urandom(1 << 20)
            for _ in range(self.size >> 20):
                image.write(block)
            image.flush()
            os.fsync(image.fileno())

    def clear(self):
        empty(self.mount_point)
